//! QR codes as SVG within the page: no script draws them and no request fetches them.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, without which cameras do not find it (ISO/IEC 18004).
const QUIET: usize = 4;

/// A QR code, with a text for whoever cannot see it.
#[derive(Template)]
#[template(path = "parts/qr.html")]
pub(crate) struct QrView {
    title: &'static str,
    size: usize,
    path: String,
}

/// The path is digits and letters of ours; the title is escaped as any text is.
impl HtmlSafe for QrView {}

impl QrView {
    /// The code of `text`; `None` if it is too long for any.
    pub(crate) fn of(text: &str, title: &'static str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .or_else(|_| QrCode::with_error_correction_level(text, EcLevel::L))
            .ok()?;
        let width = code.width();
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(width).enumerate() {
            draw_row(&mut path, row + QUIET, modules);
        }
        Some(Self { title, size: width + 2 * QUIET, path })
    }
}

/// One rectangle for each run of dark modules.
fn draw_row(path: &mut String, y: usize, modules: &[Color]) {
    let mut x = QUIET;
    for run in modules.chunk_by(|left, right| left == right) {
        if run.first() == Some(&Color::Dark) {
            let length = run.len();
            // Writing to a String cannot fail.
            let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
        }
        x += run.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the path darkens, drawn again module by module.
    fn drawn(view: &QrView) -> Vec<Vec<Color>> {
        let mut rows = vec![vec![Color::Light; view.size]; view.size];
        for run in view.path.split_terminator('z') {
            let numbers: Vec<usize> = run
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .map(|part| part.parse().unwrap())
                .collect();
            let [x, y, length, 1, back] = numbers[..] else { panic!("{run}") };
            assert_eq!(length, back);
            rows[y][x..x + length].fill(Color::Dark);
        }
        rows
    }

    #[test]
    fn every_module_of_the_code_is_drawn_and_the_quiet_zone_stays_light() {
        let text = "otpauth://totp/Acme:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let (modules, width) = (code.to_colors(), code.width());

        let rows = drawn(&QrView::of(text, "code").unwrap());

        assert_eq!(rows.len(), width + 2 * QUIET);
        for (y, row) in rows.iter().enumerate() {
            for (x, module) in row.iter().enumerate() {
                let inside =
                    (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
                let expected =
                    if inside { modules[(y - QUIET) * width + x - QUIET] } else { Color::Light };
                assert_eq!(*module, expected, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_for_any_code_has_none() {
        assert!(QrView::of(&"x".repeat(3000), "code").is_none());
        assert!(QrView::of(&"x".repeat(2900), "code").is_some());
    }
}
