//! What stands in a page besides its prose: blocks of code, and the commands in them.

/// One fenced block.
pub struct Block {
    /// The line of the page it begins at, from 1.
    pub line: usize,
    /// What stands behind the fence: `sh`, `rust,no_run`, nothing.
    pub language: String,
    pub text: String,
}

/// The fenced blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { line: at + 1, language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

impl Block {
    /// What somebody types who follows it: all of a script; of a session at a terminal, what stands behind the prompt.
    pub fn typed(&self) -> Option<String> {
        match self.language.as_str() {
            "sh" | "bash" => Some(self.text.clone()),
            "console" => Some(self.prompted("$ ")),
            _ => None,
        }
    }

    /// The commands of it, each in one line: typed, and, of a session, shown for somebody to type.
    pub fn commands(&self) -> Vec<String> {
        let mut text = self.typed().unwrap_or_default();
        if self.language == "console" {
            text.push_str(&self.prompted("    "));
        }
        let joined = text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    fn prompted(&self, prompt: &str) -> String {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix(prompt))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

/// The pieces between backticks of what is no block.
pub fn spans(page: &str) -> Vec<String> {
    let mut in_block = false;
    let prose = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !fence && !in_block
    });
    prose.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The arguments of each `p2pc` in a line for a shell, as that would split them.
pub fn arguments(line: &str) -> Vec<Vec<String>> {
    let simple = split(line);
    let called = simple.into_iter().map(|words| {
        let words = words.into_iter().skip_while(|word| is_assignment(word) || word == "exec");
        words.collect::<Vec<_>>()
    });
    called
        .filter(|words| words.first().is_some_and(|word| word == "p2pc"))
        .map(|words| words[1..].to_vec())
        .collect()
}

/// The simple commands of a line and their words, without comments and redirections. As much of a shell as pages need.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => end(&mut word, &mut commands),
            (None, '|' | '&' | ';' | '(' | ')' | '\n') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut commands);
    for command in &mut commands {
        command.retain(|word| !word.starts_with(['>', '<']) && !word.starts_with("2>"));
    }
    commands
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    word.contains('=') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
}
