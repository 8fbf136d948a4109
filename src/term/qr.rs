//! A text as a QR code that a phone reads from the screen, two rows of modules to a line.
//!
//! Where the terminal has colours the code is black on white, whatever the terminal's own are. Where it has none, the light modules are
//! what is printed: right on a dark terminal, and reversed on a light one, which most readers take too.

use qrcodegen::{QrCode, QrCodeEcc};

/// The code as lines, each ended but the last; or how many columns it would take, where that is more than `columns`, if any width is
/// enough.
///
/// # Errors
///
/// What it would take at least.
pub fn lines(text: &str, columns: usize, colours: bool) -> Result<String, Option<usize>> {
    // The encoder raises the correction as far as that costs no size.
    let code = QrCode::encode_text(text, QrCodeEcc::Low).map_err(|_| None)?;
    let width = |quiet: i32| usize::try_from(code.size() + 2 * quiet).unwrap_or(usize::MAX);
    let quiet = QUIET.into_iter().find(|quiet| width(*quiet) <= columns);
    let quiet = quiet.ok_or_else(|| QUIET.last().map(|quiet| width(*quiet)))?;
    let sides = -quiet..code.size() + quiet;
    let rows = sides.clone().step_by(2).map(|y| {
        let line: String = sides.clone().map(|x| half_blocks(&code, colours, x, y)).collect();
        if colours { format!("{BLACK_ON_WHITE}{line}{RESET}") } else { line }
    });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

/// Two modules, one above the other. Outside of the code all is light.
fn half_blocks(code: &QrCode, colours: bool, x: i32, y: i32) -> char {
    // What is printed is dark on a white ground, and light on the ground of the terminal.
    let printed = |y| code.get_module(x, y) == colours;
    match (printed(y), printed(y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// Light modules around the code: as many as the standard asks for, or as many as readers need.
const QUIET: [i32; 2] = [4, 2];
const BLACK_ON_WHITE: &str = "\x1b[30;47m";
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::clean::columns_of;
    use proptest::prelude::*;

    /// What a phone before the terminal reads.
    fn read(shown: &str) -> String {
        const PIXELS: usize = 4;
        let is_black_on_white = shown.starts_with(BLACK_ON_WHITE);
        let lines: Vec<Vec<char>> = shown
            .lines()
            .map(|line| line.trim_start_matches(BLACK_ON_WHITE).trim_end_matches(RESET).chars().collect())
            .collect();
        let is_light = |x: usize, y: usize| {
            let is_printed = match lines[y / 2][x] {
                '█' => true,
                '▀' => y.is_multiple_of(2),
                '▄' => !y.is_multiple_of(2),
                _ => false,
            };
            is_printed != is_black_on_white
        };
        let (width, height) = (lines[0].len() * PIXELS, lines.len() * 2 * PIXELS);
        let pixel = |x: usize, y: usize| if is_light(x / PIXELS, y / PIXELS) { 255 } else { 0 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{shown}");
        grids[0].decode().unwrap().1
    }

    const CODE: &str = "48213-acid-crane-otter@ws://192.168.100.200:42605";

    #[test]
    fn another_decoder_reads_what_is_shown() {
        for colours in [true, false] {
            assert_eq!(read(&lines(CODE, 80, colours).unwrap()), CODE);
        }
    }

    #[test]
    fn a_narrow_terminal_gets_a_narrow_margin_or_none_at_all() {
        let wide = lines(CODE, 40, false).unwrap();
        assert_eq!(wide.lines().map(columns_of).max(), Some(37));
        let narrow = lines(CODE, 36, true).unwrap();
        assert_eq!(narrow.lines().map(columns_of).max(), Some(33));
        assert_eq!(read(&narrow), CODE);
        assert_eq!(lines(CODE, 32, true), Err(Some(33)));
        assert_eq!(lines(&"x".repeat(5000), 1000, true), Err(None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_text_reads_back(text in "[ -~äöü東]{1,120}", colours: bool) {
            prop_assert_eq!(read(&lines(&text, 200, colours).unwrap()), text);
        }
    }
}
