//! QR codes: an address as a picture for a phone's camera, one pixel a module.

use qrcode::{Color as Module, EcLevel, QrCode};
use slint::{Color, Image, Rgba8Pixel, SharedPixelBuffer};

/// Light modules around a code (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;

/// The code of a text in two colours, error correction level M; an empty picture for a text that
/// is empty or longer than a code holds.
pub(crate) fn picture(text: &str, dark: Color, light: Color) -> Image {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let Some(code) = code.ok().filter(|_| !text.is_empty()) else {
        return Image::default();
    };
    let (across, modules) = (code.width(), code.to_colors());
    let side = across + 2 * QUIET;
    let pixel = |colour: Color| Rgba8Pixel {
        r: colour.red(),
        g: colour.green(),
        b: colour.blue(),
        a: 255,
    };
    let length = u32::try_from(side).unwrap_or(0);
    let mut buffer = SharedPixelBuffer::<Rgba8Pixel>::new(length, length);
    buffer.make_mut_slice().fill(pixel(light));
    let lines = buffer.make_mut_slice().chunks_mut(side).skip(QUIET);
    for (line, modules) in lines.zip(modules.chunks(across)) {
        for (drawn, module) in line.iter_mut().skip(QUIET).zip(modules) {
            if *module == Module::Dark {
                *drawn = pixel(dark);
            }
        }
    }
    Image::from_rgba8(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Color = Color::from_rgb_u8(0, 0, 0);
    const WHITE: Color = Color::from_rgb_u8(255, 255, 255);

    #[test]
    fn the_quiet_zone_is_light_and_the_finders_stand_in_their_corners() {
        let image = picture("https://192.168.178.40:8443/setup#40713926", BLACK, WHITE);
        let pixels = image.to_rgba8().unwrap();
        let side = pixels.width() as usize;
        // Version 3 holds 42 octets at level M: 29 modules and the quiet zone.
        assert_eq!((side, pixels.height()), (29 + 8, 37));
        let dark = |x: usize, y: usize| pixels.as_slice()[y * side + x].r == 0;
        assert!((0..side).all(|at| (0..4).all(|edge| !dark(at, edge) && !dark(edge, at))));
        for (x, y) in [(4, 4), (32, 4), (4, 32)] {
            assert!(dark(x, y), "{x} {y}");
        }
        assert!(!dark(32, 32), "the fourth corner has no finder");
    }

    #[test]
    fn what_is_no_address_has_no_code() {
        assert_eq!(picture("", BLACK, WHITE).size().width, 0);
        let endless = "x".repeat(5_000);
        assert_eq!(picture(&endless, BLACK, WHITE).size().width, 0);
    }
}
