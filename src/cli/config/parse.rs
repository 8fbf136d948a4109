//! From the text of a configuration file to settings, or to the line that is wrong.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::keys::{self, Form, KEYS, SECTIONS};
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
    let table = DeTable::parse(text)
        .map_err(|error| file.wrong(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut entries = Vec::new();
    file.table(None, table.get_ref(), &mut entries)?;
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
        let value = self.value(&key.form, value).map_err(|error| {
            let wrong = self.wrong(span.start, &format!("{name}: {error}"));
            error.hint_text().map(str::to_owned).into_iter().fold(wrong, Error::hint)
        })?;
        Ok(Entry { topic, key: key.name, value, line: self.line(span.start) })
    }

    fn value(&self, form: &Form, value: &DeValue<'_>) -> Result<Zeroizing<String>> {
        let not =
            |what: &str| Error::new(Kind::Usage, format!("{} is not {what}", article(value.type_str())));
        match (form, value) {
            (Form::Switch, DeValue::Boolean(on)) => Ok(Zeroizing::new(on.to_string())),
            (Form::Switch, _) => Err(not("true or false").hint("Write true or false, without quotes.")),
            (Form::Path, DeValue::String(text)) => keys::path(text, self.home).map(Zeroizing::new),
            (Form::Text(check), DeValue::String(text)) => {
                check(text).map(|()| Zeroizing::new(text.to_string()))
            }
            (Form::Text(check), DeValue::Integer(number)) if number.radix() == 10 => {
                check(number.as_str()).map(|()| Zeroizing::new(number.as_str().to_owned()))
            }
            _ => Err(not("text").hint("Write it between double quotes, as it would be typed.")),
        }
    }

    fn unknown_key(&self, topic: Option<Topic>, span: &Range<usize>, name: &str) -> Error {
        if let Some(why) = keys::refusal(name) {
            return self.wrong(span.start, &format!("{name} cannot stand in a file")).hint(why);
        }
        let error = self.wrong(span.start, &format!("unknown key {name}"));
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

const HINT: &str = "`p2pc config --help` lists the keys.";
