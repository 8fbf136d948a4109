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

/// The lines of a page that are in no block.
pub fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !fence && !in_block
    })
}

/// The pieces between backticks of what is no block.
pub fn spans(page: &str) -> Vec<String> {
    prose(page)
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}
