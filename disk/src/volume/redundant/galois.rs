//! The field of 256 elements in which RAID-6 reckons its second check.
//!
//! Bytes are polynomials over two elements, modulo `x^8 + x^4 + x^3 + x^2 + 1`; sums are exclusive ors, and 2 generates all
//! but 0 (H. Peter Anvin, "The mathematics of RAID-6").

/// What is left of `x^8` in the field.
const REDUCED: u8 = 0x1d;

/// Order of the generator: so many elements are not 0.
const ORDER: usize = 255;

/// A factor, with its products with all elements.
#[derive(Debug, Clone)]
pub(super) struct Factor([u8; 256]);

impl Factor {
    /// Multiplies by `factor`.
    pub(super) fn new(factor: u8) -> Factor {
        let mut products = [0; 256];
        for (element, product) in (0..=u8::MAX).zip(&mut products) {
            *product = multiply(factor, element);
        }
        Factor(products)
    }

    fn times(&self, element: u8) -> u8 {
        self.0.get(usize::from(element)).copied().unwrap_or(0)
    }

    /// Multiplies all of `bytes`.
    pub(super) fn scale(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.times(*byte));
    }

    /// Adds the product of `bytes` to `sum`.
    pub(super) fn add_to(&self, sum: &mut [u8], bytes: &[u8]) {
        sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum ^= self.times(*byte));
    }
}

/// Adds `bytes` to `sum`.
pub(super) fn add(sum: &mut [u8], bytes: &[u8]) {
    sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum ^= byte);
}

fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= REDUCED;
        }
        b >>= 1;
    }
    product
}

/// A power of the generator.
pub(super) fn power(exponent: usize) -> u8 {
    (0..exponent.checked_rem(ORDER).unwrap_or(0)).fold(1, |element, _| multiply(element, 2))
}

/// What `element` must be multiplied by to give 1; 0 has no such.
pub(super) fn inverse(element: u8) -> Option<u8> {
    (1..=u8::MAX).find(|candidate| multiply(element, *candidate) == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_is_a_power_of_two_and_has_an_inverse() {
        let mut seen = [false; 256];
        for exponent in 0..ORDER {
            seen[usize::from(power(exponent))] = true;
        }
        assert!(!seen[0] && seen[1..].iter().all(|seen| *seen));
        assert_eq!((power(8), power(ORDER)), (REDUCED, 1));
        assert_eq!(inverse(0), None);
        for element in 1..=u8::MAX {
            assert_eq!(multiply(element, inverse(element).unwrap()), 1);
        }
        // From the paper: 2 * 0x80 in this field.
        assert_eq!(Factor::new(2).times(0x80), REDUCED);
    }
}
