//! Derives client stub, server trait, dispatch, XDR types and trace of the API from one definition.
