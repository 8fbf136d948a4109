//! The receiver's code: given, or asked for on the terminal.

mod typing;

use futures_lite::future::or;
use zeroize::Zeroizing;

use crate::events::Cancel;
use crate::net::RelayUrl;
use crate::proto::code::{Code, WORDS_IN_CODE};
use crate::term::clean::clean;
use crate::term::tty::Tty;
use crate::{Error, Kind, Result};

use super::meaning::{CodeSource, read_code};
use super::messages;

use typing::{Pasted, complete, unpacked};

/// A code and the relay it names.
pub type Addressed = (Code, Option<RelayUrl>);

/// What may be a slip in a code that is read as one of p2pc's: only whoever chose it can know.
#[derive(Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Its words that are not on the list.
    pub unknown: Vec<String>,
    /// How many it has, where p2pc's have another number.
    pub words: Option<usize>,
}

impl Doubt {
    /// About this code, if there is any.
    pub fn about(code: &Code) -> Option<Doubt> {
        let words = code.word_count().filter(|words| *words != WORDS_IN_CODE);
        let doubt = Doubt { unknown: code.unknown_words(), words };
        (doubt.words.is_some() || !doubt.unknown.is_empty()).then_some(doubt)
    }
}

/// What came of it.
pub enum Obtained {
    /// This side makes the code.
    New,
    /// A code.
    Given(Addressed),
    /// A signal came while the prompt was open.
    Cancelled,
}

/// The code to use.
///
/// # Errors
///
/// [`Kind::Usage`] for what is no code, or no answer.
pub fn obtain(source: CodeSource, allow_weak: bool, tty: Option<&Tty>, cancel: &Cancel) -> Result<Obtained> {
    match (source, tty) {
        (CodeSource::New, _) => Ok(Obtained::New),
        (CodeSource::Given(text), _) => read_code(&text, allow_weak).map(Obtained::Given),
        (CodeSource::Prompt, Some(tty)) => {
            let asked = async { prompt(tty, allow_weak).await.map(Obtained::Given) };
            let cancelled = async {
                cancel.cancelled().await;
                Ok(Obtained::Cancelled)
            };
            smol::block_on(or(cancelled, asked))
        }
        (CodeSource::Prompt, None) => Err(no_answer()),
    }
}

/// Asks until there is a code. A typing error that shows at once costs no guess, so the person may correct it.
async fn prompt(tty: &Tty, allow_weak: bool) -> Result<Addressed> {
    if tty.edits() {
        tty.line(messages::TYPE_CODE);
    }
    // What is to be corrected.
    let mut text = Zeroizing::new(String::new());
    for _ in 0..TRIES_MAX {
        let Some(line) = tty.edit("Code: ", &text, complete).await.map(Zeroizing::new) else { break };
        text = Zeroizing::new(String::new());
        if line.trim().is_empty() {
            continue;
        }
        let Pasted { code: typed, options, is_unclear } = unpacked(&line);
        if is_unclear {
            tty.line(messages::UNCLEAR_CODE);
            continue;
        }
        if !options.is_empty() {
            tty.line(&messages::pasted_options(&options));
        }
        let code = match read_code(&typed, allow_weak) {
            Ok(code) => code,
            Err(error) => {
                tty.line(&clean(error.to_string().as_bytes()));
                continue;
            }
        };
        if confirmed(tty, &code.0).await {
            return Ok(code);
        }
        text = typed;
    }
    Err(no_answer())
}

/// Whether what looks like a slip is meant. It may be: the sender chooses.
async fn confirmed(tty: &Tty, code: &Code) -> bool {
    let Some(doubt) = Doubt::about(code) else { return true };
    let question = messages::doubted_question(&doubt);
    tty.ask(&question).await.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn no_answer() -> Error {
    Error::new(Kind::Usage, "no code was typed")
        .hint("The code is what `p2pc send` printed, such as 48213-acid-crane-otter@relay.example.com.")
}

/// Who has not typed a code after this many tries has something else in mind.
const TRIES_MAX: usize = 5;
