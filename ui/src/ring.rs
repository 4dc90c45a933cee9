//! The dial, drawn into a picture: an arc of 270° with round ends, open at the bottom.
//!
//! A Slint `Path` of this size would be rasterised whole whenever the number inside it changes;
//! a picture is only copied.

use slint::{Color, Image, Rgba8Pixel, SharedPixelBuffer};

/// Largest diameter drawn, in pixels; more than any panel this runs on has.
const LARGEST: u32 = 2_048;
const SWEEP: f32 = 270.0;
/// Where the arc begins, clockwise from three o'clock, y downwards: half past seven.
const START: f32 = 135.0;

/// Draws the dial with `permille` of it filled, from the left end, or from the right end if
/// `backwards`. Sizes are physical pixels.
#[must_use]
pub fn picture(
    diameter: u32,
    stroke: u32,
    permille: u16,
    backwards: bool,
    track: Color,
    fill: Color,
) -> Image {
    let diameter = diameter.clamp(1, LARGEST);
    let mut buffer = SharedPixelBuffer::<Rgba8Pixel>::new(diameter, diameter);
    let share = f32::from(permille.min(1_000)) / 1_000.0;
    let whole = Arc::new(START, SWEEP);
    let filled = if backwards {
        Arc::new(START + SWEEP * (1.0 - share), SWEEP * share)
    } else {
        Arc::new(START, SWEEP * share)
    };
    let half = stroke as f32 / 2.0;
    let radius = diameter as f32 / 2.0 - half - 1.0;
    let middle = diameter as f32 / 2.0;
    let width = diameter as usize;
    for (row, line) in buffer.make_mut_slice().chunks_mut(width).enumerate() {
        let y = row as f32 + 0.5 - middle;
        for (column, pixel) in line.iter_mut().enumerate() {
            let x = column as f32 + 0.5 - middle;
            let from_centre = (x * x + y * y).sqrt();
            if (from_centre - radius).abs() > half + 1.0 {
                continue;
            }
            let cover =
                |arc: &Arc| (half - arc.distance(x, y, from_centre, radius) + 0.5).clamp(0.0, 1.0);
            let above = if share > 0.0 { cover(&filled) } else { 0.0 };
            let below = cover(&whole) * (1.0 - above);
            let alpha = above + below;
            if alpha <= 0.0 {
                continue;
            }
            let mix = |fill: u8, track: u8| {
                channel((f32::from(fill) * above + f32::from(track) * below) / alpha)
            };
            *pixel = Rgba8Pixel {
                r: mix(fill.red(), track.red()),
                g: mix(fill.green(), track.green()),
                b: mix(fill.blue(), track.blue()),
                a: channel(alpha * 255.0),
            };
        }
    }
    Image::from_rgba8(buffer)
}

/// The middle line of an arc on a circle around the origin.
struct Arc {
    /// Directions of its two ends and of its middle.
    ends: [(f32, f32); 2],
    middle: (f32, f32),
    /// Cosine of half its angle.
    reach: f32,
}

impl Arc {
    fn new(start: f32, sweep: f32) -> Self {
        let direction = |degrees: f32| {
            let (sin, cos) = degrees.to_radians().sin_cos();
            (cos, sin)
        };
        Self {
            ends: [direction(start), direction(start + sweep)],
            middle: direction(start + sweep / 2.0),
            reach: (sweep / 2.0).to_radians().cos(),
        }
    }

    /// Distance of a point from the arc, given its distance from the centre.
    fn distance(&self, x: f32, y: f32, from_centre: f32, radius: f32) -> f32 {
        if x * self.middle.0 + y * self.middle.1 >= self.reach * from_centre {
            return (from_centre - radius).abs();
        }
        self.ends
            .iter()
            .map(|(cos, sin)| (x - radius * cos).hypot(y - radius * sin))
            .fold(f32::INFINITY, f32::min)
    }
}

/// A colour channel from its share of 255.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the range of u8
fn channel(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: Color = Color::from_rgb_u8(10, 20, 30);
    const FILL: Color = Color::from_rgb_u8(200, 100, 50);

    fn pixel(permille: u16, backwards: bool, x: usize, y: usize) -> (u8, u8) {
        let image = picture(300, 18, permille, backwards, TRACK, FILL);
        let pixels = image.to_rgba8().unwrap();
        let pixel = pixels.as_slice()[y * 300 + x];
        (pixel.r, pixel.a)
    }

    #[test]
    fn fills_from_the_end_that_is_asked_for() {
        let (left, top, right, bottom) = ((10, 150), (150, 10), (289, 150), (150, 290));
        for (permille, backwards, filled) in [
            (0, false, [false, false, false]),
            (400, false, [true, false, false]),
            (600, false, [true, true, false]),
            (1_000, false, [true, true, true]),
            (400, true, [false, false, true]),
            (9_999, true, [true, true, true]),
        ] {
            let seen = [left, top, right].map(|(x, y)| pixel(permille, backwards, x, y));
            let expected = filled.map(|filled| (if filled { FILL } else { TRACK }.red(), 255));
            assert_eq!(seen, expected, "{permille} backwards {backwards}");
        }
        assert_eq!(
            pixel(1_000, false, bottom.0, bottom.1).1,
            0,
            "open at the bottom"
        );
        assert_eq!(pixel(1_000, false, 150, 150).1, 0, "the number's place");
    }

    #[test]
    fn any_size_is_drawn() {
        for (diameter, stroke) in [(0, 0), (1, 18), (18, 40), (u32::MAX, 18)] {
            let image = picture(diameter, stroke, 500, false, TRACK, FILL);
            assert!(image.size().width <= LARGEST);
        }
    }
}
