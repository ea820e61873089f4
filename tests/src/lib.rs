//! Whole-program tests: fixtures, golden outputs, differential tests.
