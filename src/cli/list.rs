//! The list of `--files-from`, read as a whole before anything is dialled.

use std::fs::File;
use std::io::{self, Read};

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
