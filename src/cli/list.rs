//! What is read as a whole before anything is dialled: the list of `--files-from`, and the text of `--text -`.

use std::fs::File;
use std::io::{self, Read};

use crate::proto::limits::SHOWN_BYTES_MAX;
use crate::send::PathList;
use crate::send::source::LIST_BYTES_MAX;
use crate::term::clean::clean;
use crate::term::word::Word;
use crate::{Error, Kind, Result};

/// Reads the list from a file, or from standard input.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn read(from: &Word, ends_with_null: bool) -> Result<PathList> {
    let input: io::Result<Box<dyn Read>> = match from.os().to_str() {
        Some("-") => Ok(Box::new(io::stdin())),
        _ => File::open(from.os()).map(|file| Box::new(file) as _),
    };
    let mut text = Vec::new();
    // One byte more shows that it is too long.
    let read = input.and_then(|input| input.take(LIST_BYTES_MAX + 1).read_to_end(&mut text));
    read.map_err(|error| {
        let shown = clean(from.os().as_encoded_bytes());
        Error::new(Kind::Usage, format!("--files-from: cannot read {shown}"))
            .hint("It is a file with one path in each line, or `-` for standard input.")
            .caused_by(error)
    })?;
    PathList::parse(&text, if ends_with_null { 0 } else { b'\n' })
}

/// Reads a text from standard input. One that is too long is refused by whoever sends it.
///
/// # Errors
///
/// [`Kind::Usage`].
pub fn read_text() -> Result<String> {
    let mut bytes = Vec::new();
    let read = io::stdin().take(SHOWN_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::new(Kind::Usage, "--text: cannot read standard input").caused_by(error))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(Kind::Usage, "--text: what comes from standard input is not UTF-8")
            .hint("Send it as a file: `p2pc send -`.")
    })
}
