//! The Koblitz curves sect163k1 and sect283k1 (SEC 2, 3.2.1 and 3.5.1): y² + xy = x³ + ax² + 1 over
//! fields of characteristic 2.
//!
//! The time that a multiplication takes depends on the scalar's bits. Certificates of production
//! are not for this code.

/// Words of 64 bits: a product of two elements of the larger field has 566 bits.
const WORDS: usize = 5;
const DOUBLE: usize = 2 * WORDS;

/// A number or an element of a field, the lowest word first.
pub(super) type Number = [u64; WORDS];

/// A curve with its field.
#[derive(Debug)]
pub(super) struct Curve {
    /// Octets of an element.
    pub(super) octets: usize,
    /// The degree of the field's polynomial, and its lower exponents.
    degree: usize,
    terms: &'static [usize],
    a: u64,
    /// How many times as many points the curve has as the base point's order says.
    pub(super) cofactor: u64,
    base: (&'static str, &'static str),
    order: &'static str,
}

pub(super) const SECT163K1: Curve = Curve {
    octets: 21,
    degree: 163,
    terms: &[7, 6, 3, 0],
    a: 1,
    cofactor: 2,
    base: (
        "02FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8",
        "0289070FB05D38FF58321F2E800536D538CCDAA3D9",
    ),
    order: "04000000000000000000020108A2E0CC0D99F8A5EF",
};

pub(super) const SECT283K1: Curve = Curve {
    octets: 36,
    degree: 283,
    terms: &[12, 7, 5, 0],
    a: 0,
    cofactor: 4,
    base: (
        "0503213F78CA44883F1A3B8162F188E553CD265F23C1567A16876913B0C2AC2458492836",
        "01CCDA380F1C9E318D90F95D07E5426FE87E45C0E8184698E45962364E34116177DD2259",
    ),
    order: "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE9AE2ED07577265DFF7F94451E061E163C61",
};

/// A point; `None` is the one at infinity.
pub(super) type Point = Option<(Number, Number)>;

/// A number from octets, the most significant first; `None` when it has too many.
pub(super) fn number(octets: &[u8]) -> Option<Number> {
    let mut number = [0; WORDS];
    for (index, octet) in octets.iter().rev().enumerate() {
        let word = number.get_mut(index / 8);
        match word {
            Some(word) => *word |= u64::from(*octet) << (8 * (index % 8)),
            None if *octet == 0 => {}
            None => return None,
        }
    }
    Some(number)
}

fn constant(hex: &str) -> Number {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    let octets = pairs.iter().map(|pair| {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let [high, low] = pair.map(|character| digit(character).unwrap_or(0));
        high << 4 | low
    });
    number(&octets.collect::<Vec<u8>>()).unwrap_or_default()
}

fn bit(words: &[u64], index: usize) -> bool {
    words
        .get(index / 64)
        .is_some_and(|word| word >> (index % 64) & 1 == 1)
}

fn flip(words: &mut [u64], index: usize) {
    if let Some(word) = words.get_mut(index / 64) {
        *word ^= 1 << (index % 64);
    }
}

fn is_zero(number: &Number) -> bool {
    number.iter().all(|word| *word == 0)
}

/// The highest bit that is set.
fn top(number: &Number) -> Option<usize> {
    let word = number.iter().rposition(|word| *word != 0)?;
    let bits = number.get(word)?.checked_ilog2()?;
    Some(64 * word + usize::try_from(bits).ok()?)
}

/// A number times a power of 2; bits beyond the highest word are lost.
fn shifted(number: &Number, by: usize) -> Number {
    let (words, bits) = (by / 64, u32::try_from(by % 64).unwrap_or(0));
    let word = |index: usize| number.get(index).copied().unwrap_or(0);
    std::array::from_fn(|index| {
        let Some(from) = index.checked_sub(words) else {
            return 0;
        };
        let carried = from.checked_sub(1).map_or(0, word);
        word(from) << bits | carried.checked_shr(64 - bits).unwrap_or(0)
    })
}

fn add(a: &Number, b: &Number) -> Number {
    std::array::from_fn(|index| {
        a.get(index).copied().unwrap_or(0) ^ b.get(index).copied().unwrap_or(0)
    })
}

impl Curve {
    /// The order of the base point.
    pub(super) fn order(&self) -> Number {
        constant(self.order)
    }

    /// The base point.
    pub(super) fn base(&self) -> Point {
        Some((constant(self.base.0), constant(self.base.1)))
    }

    /// The octets of an element, the most significant first.
    pub(super) fn to_octets(&self, element: &Number) -> Vec<u8> {
        let octets = element
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .take(self.octets);
        let mut octets: Vec<u8> = octets.collect();
        octets.reverse();
        octets
    }

    fn reduce(&self, mut product: [u64; DOUBLE]) -> Number {
        for index in (self.degree..2 * self.degree).rev() {
            if bit(&product, index) {
                flip(&mut product, index);
                for term in self.terms {
                    flip(&mut product, index - self.degree + term);
                }
            }
        }
        std::array::from_fn(|index| product.get(index).copied().unwrap_or(0))
    }

    fn multiply(&self, a: &Number, b: &Number) -> Number {
        let mut product = [0_u64; DOUBLE];
        for index in 0..self.degree {
            if bit(b, index) {
                let (words, shift) = (index / 64, u32::try_from(index % 64).unwrap_or(0));
                for (place, word) in a.iter().enumerate() {
                    let wide = u128::from(*word) << shift;
                    let low = u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(0);
                    let high = u64::try_from(wide >> 64).unwrap_or(0);
                    if let Some(target) = product.get_mut(words + place) {
                        *target ^= low;
                    }
                    if let Some(target) = product.get_mut(words + place + 1) {
                        *target ^= high;
                    }
                }
            }
        }
        self.reduce(product)
    }

    fn square(&self, a: &Number) -> Number {
        let mut product = [0_u64; DOUBLE];
        for index in 0..self.degree {
            if bit(a, index) {
                flip(&mut product, 2 * index);
            }
        }
        self.reduce(product)
    }

    /// The inverse by the extended Euclidean algorithm; that of 0 is 0.
    fn invert(&self, a: &Number) -> Number {
        let mut modulus = [0; WORDS];
        for term in self.terms.iter().chain([&self.degree]) {
            flip(&mut modulus, *term);
        }
        let (mut u, mut v) = (*a, modulus);
        let (mut of_u, mut of_v) = ([1, 0, 0, 0, 0], [0; WORDS]);
        while let Some(degree @ 1..) = top(&u) {
            let other = top(&v).unwrap_or(0);
            if degree < other {
                std::mem::swap(&mut u, &mut v);
                std::mem::swap(&mut of_u, &mut of_v);
            }
            let shift = degree.abs_diff(other);
            u = add(&u, &shifted(&v, shift));
            of_u = add(&of_u, &shifted(&of_v, shift));
        }
        if is_zero(&u) { u } else { of_u }
    }

    /// Whether a point is on the curve.
    pub(super) fn holds(&self, x: &Number, y: &Number) -> bool {
        let one = constant("01");
        let x2 = self.square(x);
        let left = add(&self.square(y), &self.multiply(x, y));
        let mut right = add(&self.multiply(&x2, x), &one);
        if self.a == 1 {
            right = add(&right, &x2);
        }
        left == right
    }

    /// The sum of two points.
    pub(super) fn sum(&self, a: &Point, b: &Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (a, b) else {
            return a.or(*b);
        };
        if x1 == x2 {
            if y1 != y2 || is_zero(x1) {
                return None;
            }
            return self.double(x1, y1);
        }
        let slope = self.multiply(&add(y1, y2), &self.invert(&add(x1, x2)));
        let mut x = add(&add(&self.square(&slope), &slope), &add(x1, x2));
        x[0] ^= self.a;
        let y = add(&add(&self.multiply(&slope, &add(x1, &x)), &x), y1);
        Some((x, y))
    }

    fn double(&self, x1: &Number, y1: &Number) -> Point {
        let slope = add(x1, &self.multiply(y1, &self.invert(x1)));
        let mut x = add(&self.square(&slope), &slope);
        x[0] ^= self.a;
        let mut factor = slope;
        factor[0] ^= 1;
        let y = add(&self.square(x1), &self.multiply(&factor, &x));
        Some((x, y))
    }

    /// A point so many times.
    pub(super) fn times(&self, scalar: &Number, point: &Point) -> Point {
        let mut result = None;
        for index in (0..64 * WORDS).rev() {
            if let Some((x, y)) = result {
                result = if is_zero(&x) {
                    None
                } else {
                    self.double(&x, &y)
                };
            }
            if bit(scalar, index) {
                result = self.sum(&result, point);
            }
        }
        result
    }

    /// A point from its compressed form (SEC 1, 2.3.4); `None` when it is none.
    pub(super) fn decompress(&self, octets: &[u8]) -> Point {
        let (&form, rest) = octets.split_first()?;
        if rest.len() != self.octets || !matches!(form, 2 | 3) {
            return None;
        }
        let x = number(rest)?;
        let too_high = (self.degree..64 * WORDS).any(|index| bit(&x, index));
        if too_high || is_zero(&x) {
            return None;
        }
        // y = xz with z² + z = x + a + 1/x²; the degree is odd, so that the half-trace solves it.
        let mut sum = add(&x, &self.invert(&self.square(&x)));
        sum[0] ^= self.a;
        let mut z = sum;
        for _ in 0..(self.degree - 1) / 2 {
            z = add(&self.square(&self.square(&z)), &sum);
        }
        if bit(&z, 0) != (form == 3) {
            z[0] ^= 1;
        }
        let y = self.multiply(&x, &z);
        self.holds(&x, &y).then_some((x, y))
    }

    /// The compressed form of a point.
    pub(super) fn compress(&self, (x, y): &(Number, Number)) -> Vec<u8> {
        let z = self.multiply(y, &self.invert(x));
        let mut octets = vec![if bit(&z, 0) { 3 } else { 2 }];
        octets.extend(self.to_octets(x));
        octets
    }

    /// The sum of two numbers modulo the order of the base point.
    pub(super) fn add_scalars(&self, a: &Number, b: &Number) -> Number {
        let order = self.order();
        let mut carry = 0_u128;
        let mut sum = [0; WORDS];
        for ((place, left), right) in sum.iter_mut().zip(a).zip(b) {
            carry += u128::from(*left) + u128::from(*right);
            *place = u64::try_from(carry & u128::from(u64::MAX)).unwrap_or(0);
            carry >>= 64;
        }
        if is_less(&sum, &order) {
            sum
        } else {
            subtract(&sum, &order)
        }
    }

    /// The product of two numbers modulo the order of the base point; `b` is below the order.
    pub(super) fn multiply_scalars(&self, a: &Number, b: &Number) -> Number {
        let mut product = [0; WORDS];
        for index in (0..64 * WORDS).rev() {
            product = self.add_scalars(&product, &product);
            if bit(a, index) {
                product = self.add_scalars(&product, b);
            }
        }
        product
    }

    /// Whether a number is a private key: 1 to the order less one.
    pub(super) fn is_private(&self, number: &Number) -> bool {
        !is_zero(number) && is_less(number, &self.order())
    }
}

fn is_less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn subtract(a: &Number, b: &Number) -> Number {
    let mut borrow = false;
    let mut difference = [0; WORDS];
    for ((place, left), right) in difference.iter_mut().zip(a).zip(b) {
        let (value, under) = left.overflowing_sub(*right);
        let (value, again) = value.overflowing_sub(u64::from(borrow));
        *place = value;
        borrow = under || again;
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_points_are_on_their_curves_and_have_their_orders() {
        for curve in [SECT163K1, SECT283K1] {
            let base = curve.base();
            assert!(base.is_some_and(|(x, y)| curve.holds(&x, &y)));
            assert_eq!(curve.times(&curve.order(), &base), None);
            let point = base.expect("it is finite");
            assert_eq!(curve.decompress(&curve.compress(&point)), Some(point));
            let three = constant("03");
            let two = curve.sum(&base, &base);
            assert_eq!(curve.times(&three, &base), curve.sum(&two, &base));
        }
    }

    #[test]
    fn what_is_no_point_is_refused() {
        assert_eq!(SECT163K1.decompress(&[]), None);
        assert_eq!(SECT163K1.decompress(&[4; 22]), None);
        assert_eq!(SECT163K1.decompress(&[3, 0xFF].repeat(11)), None);
        let mut zero = [0; 22];
        zero[0] = 2;
        assert_eq!(SECT163K1.decompress(&zero), None);
    }
}
