//! One JSON object in one line, whatever is in it.

use std::fmt::Write as _;

/// An object that is being written.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// Without anything in it.
    #[must_use]
    pub fn new() -> Object {
        Object("{".to_owned())
    }

    /// A text. Control characters, and those that turn or hide what stands beside them, are escaped: the line stays a line, and shows what it is.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A number, or `true` or `false`. What JSON has no number for is null.
    pub fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let before = self.0.len();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        if matches!(self.0.get(before..), Some("NaN" | "inf" | "-inf")) {
            self.0.truncate(before);
            self.0.push_str("null");
        }
    }

    /// A number, or null where there is none.
    pub fn optional(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.value(name, value),
            None => self.value(name, "null"),
        }
    }

    /// Texts, one after the other.
    pub fn list(&mut self, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        self.name(name);
        self.0.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.quoted(value.as_ref());
        }
        self.0.push(']');
    }

    /// The whole, without a line's end.
    #[must_use]
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.quoted(name);
        self.0.push(':');
    }

    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                _ if super::clean::acts(character) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
                _ => self.0.push(character),
            }
        }
        self.0.push('"');
    }
}

impl Default for Object {
    fn default() -> Object {
        Object::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_the_line_or_the_quotes() {
        let mut object = Object::new();
        object.text("a\"", "x\n\r\t\0\x1b[2J\u{7f}\u{85}\u{2028}\u{202e}\"\\");
        object.text("b", "grüße 🦀 \u{e0001}");
        object.value("c", 1.5);
        object.value("d", f64::NAN);
        object.value("e", true);
        object.optional("f", Some(7));
        object.optional("g", None::<u64>);
        object.list("h", ["x\n", "y"]);
        object.list("i", [""; 0]);
        assert_eq!(
            object.end(),
            "{\"a\\\"\":\"x\\u000a\\u000d\\u0009\\u0000\\u001b[2J\\u007f\\u0085\\u2028\\u202e\\\"\\\\\",\
             \"b\":\"grüße 🦀 \\udb40\\udc01\",\"c\":1.5,\"d\":null,\"e\":true,\
             \"f\":7,\"g\":null,\"h\":[\"x\\u000a\",\"y\"],\"i\":[]}"
        );
        assert_eq!(Object::new().end(), "{}");
    }
}
