//! From the text of a configuration file to settings, or to the line that is wrong.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::keys::{self, Form, KEYS, Key, SECTIONS};
use super::{Entry, Settings};
use crate::cli::suggest::nearest;
use crate::cli::topic::Topic;
use crate::term::clean::clean;
use crate::{Error, Kind, Result};

/// Reads the text of the file at `path`. What begins with `~/` is below `home`.
///
/// # Errors
///
/// [`Kind::Usage`], with file and line.
pub fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<Settings> {
    let file = File { path, text, home };
    let table = DeTable::parse(text).map_err(|error| file.unreadable(&error))?;
    let mut entries = Vec::new();
    file.table(None, table.get_ref(), &mut entries)?;
    file.settle_volume(&mut entries)?;
    if let Some(token) = entries.iter().find(|entry| entry.key == keys::TOKEN)
        && !entries.iter().any(|entry| entry.key == keys::RELAY)
    {
        return Err(Error::new(Kind::Usage, format!("{}: a token, but no relay", file.place(token.line)))
            .hint(
                "The token of the file is for the relay of the file, and for no other: add relay = \"...\".",
            ));
    }
    Ok(Settings { path: path.to_owned(), entries })
}

/// The error of a file that is no text: `valid` bytes of it are.
pub fn not_text(path: &Path, bytes: &[u8], valid: usize) -> Error {
    let text = bytes.get(..valid).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    File { path, text, home: None }
        .wrong(valid, "what stands there is not UTF-8")
        .hint("Save the file as UTF-8.")
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    home: Option<&'a Path>,
}

impl File<'_> {
    fn table(&self, topic: Option<Topic>, table: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<()> {
        let mut inside: Vec<_> = table.iter().collect();
        // The first mistake that is told of is the first in the file.
        inside.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in inside {
            let span = name.span();
            let section = SECTIONS.into_iter().find(|section| section.name() == &**name.get_ref());
            match (value.get_ref(), section) {
                (DeValue::Table(table), Some(section)) if topic.is_none() => {
                    self.table(Some(section), table, entries)?;
                }
                (DeValue::Table(_), _) if topic.is_none() && keys::key(name.get_ref()).is_none() => {
                    return Err(self.unknown_section(&span, name.get_ref()));
                }
                (value, _) => entries.push(self.entry(topic, &span, name.get_ref(), value)?),
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        topic: Option<Topic>,
        span: &Range<usize>,
        name: &str,
        value: &DeValue<'_>,
    ) -> Result<Entry> {
        let key = keys::key(name).ok_or_else(|| self.unknown_key(topic, span, name))?;
        if let Some(topic) = topic.filter(|topic| !keys::has(*topic, name)) {
            let other = SECTIONS.into_iter().find(|other| keys::has(*other, name));
            let hint = match other {
                Some(other) => format!("It belongs into [{}], or above all sections.", other.name()),
                None => "It belongs above all sections: it holds for all subcommands.".to_owned(),
            };
            return Err(self
                .wrong(span.start, &format!("{name} cannot stand in [{}]", topic.name()))
                .hint(hint));
        }
        let value = self.value(key, value).map_err(|error| {
            let wrong = self.wrong(span.start, &format!("{name}: {error}"));
            error.hint_text().map(str::to_owned).into_iter().fold(wrong, Error::hint)
        })?;
        Ok(Entry { topic, key: key.name, value, line: self.line(span.start) })
    }

    fn value(&self, key: &Key, value: &DeValue<'_>) -> Result<Zeroizing<String>> {
        let not = |what: &str| {
            Error::new(Kind::Usage, format!("{} is not {what}", article(value.type_str())))
                .hint(format!("Write it as in `{}`.", keys::example(key)))
        };
        match (&key.form, value) {
            (Form::Switch, DeValue::Boolean(on)) => Ok(Zeroizing::new(on.to_string())),
            (Form::Switch, _) => Err(not("true or false")),
            (Form::Path, DeValue::String(text)) => keys::path(text, self.home).map(Zeroizing::new),
            (Form::Text(check) | Form::Number(check), DeValue::String(text)) => {
                check(text).map(|()| Zeroizing::new(text.to_string()))
            }
            (Form::Number(check), DeValue::Integer(number)) if number.radix() == DECIMAL => {
                check(number.as_str()).map(|()| Zeroizing::new(number.as_str().to_owned()))
            }
            _ => Err(not("text")),
        }
    }

    /// Where it is no TOML.
    fn unreadable(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        let name =
            self.text.get(line..).unwrap_or_default().split(['=', '\n']).next().unwrap_or_default().trim();
        // What TOML calls its kinds of strings helps nobody; what the line should look like does.
        let wrong = self.wrong(span.start, error.message());
        match keys::key(name) {
            Some(_) if error.message() == DUPLICATE => {
                wrong.hint(format!("{name} stands above already: leave one out."))
            }
            Some(key) => wrong.hint(format!("Write it as in `{}`.", keys::example(key))),
            None if error.message() == DUPLICATE => wrong.hint("It stands above already: write both as one."),
            None => wrong.hint(format!("A line is a key and its value, as in `limit = \"5M\"`. {HINT}")),
        }
    }

    /// Who wants one of the two in a section does not want the other there, though it stands above the sections.
    fn settle_volume(&self, entries: &mut Vec<Entry>) -> Result<()> {
        for topic in [None].into_iter().chain(SECTIONS.map(Some)) {
            let line_of = |key: &str, is_on: bool| {
                let mut those = entries.iter().filter(|entry| entry.topic == topic && entry.key == key);
                those.find(|entry| !is_on || entry.value.as_str() == "true").map(|entry| entry.line)
            };
            match (line_of(keys::QUIET, true), line_of(keys::VERBOSE, true)) {
                (Some(one), Some(other)) => {
                    let place = self.place(one.max(other));
                    return Err(Error::new(
                        Kind::Usage,
                        format!("{place}: quiet and verbose contradict each other"),
                    )
                    .hint("Leave one out."));
                }
                (Some(line), None) if topic.is_some() && line_of(keys::VERBOSE, false).is_none() => {
                    entries.push(Entry::off(topic, keys::VERBOSE, line));
                }
                (None, Some(line)) if topic.is_some() && line_of(keys::QUIET, false).is_none() => {
                    entries.push(Entry::off(topic, keys::QUIET, line));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn unknown_key(&self, topic: Option<Topic>, span: &Range<usize>, name: &str) -> Error {
        if let Some(why) = keys::refusal(name) {
            return self.wrong(span.start, &format!("{name} cannot stand in a file")).hint(why);
        }
        let error = self.wrong(span.start, &format!("unknown key {name}"));
        if SECTIONS.into_iter().any(|section| section.name() == name) {
            return error.hint(format!("[{name}] is a section: the line `[{name}]`, and its keys below it."));
        }
        let known =
            KEYS.iter().map(|key| key.name).filter(|key| topic.is_none_or(|topic| keys::has(topic, key)));
        match nearest(name, known) {
            Some(key) => error.hint(format!("Did you mean {key}? {HINT}")),
            None => error.hint(HINT),
        }
    }

    fn unknown_section(&self, span: &Range<usize>, name: &str) -> Error {
        let error = self.wrong(span.start, &format!("unknown section [{name}]"));
        match nearest(name, SECTIONS.map(Topic::name)) {
            Some(section) => error.hint(format!("Did you mean [{section}]? {HINT}")),
            None => error.hint(format!("The sections are [send] and [receive]. {HINT}")),
        }
    }

    fn wrong(&self, at: usize, what: &str) -> Error {
        // What comes from a file may steer a terminal as well as what comes from elsewhere.
        let what = clean(what.as_bytes());
        Error::new(Kind::Usage, format!("{}: {what}", self.place(self.line(at)))).hint(HINT)
    }

    fn place(&self, line: usize) -> String {
        format!("{}, line {line}", self.path.display())
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// What the parser says of a key or section that stands there twice.
const DUPLICATE: &str = "duplicate key";
const DECIMAL: u32 = 10;
const HINT: &str = "`p2pc config --help` lists the keys.";
