//! For fish.

use crate::cli::topic::Topic;

use super::{Value, argument, flags, subcommands, value};

/// The script.
pub fn script() -> String {
    let mut text = HEAD.to_owned();
    for (name, about) in subcommands() {
        text.push_str(&format!("complete -c p2pc -n __fish_use_subcommand -a {name} -d {}\n", quoted(about)));
    }
    text.push_str("complete -c p2pc -n __fish_use_subcommand -s h -l help -d 'show help'\n");
    text.push_str("complete -c p2pc -n __fish_use_subcommand -s V -l version -d 'show the version'\n");
    let topics: Vec<&str> = Topic::subcommands().map(Topic::name).collect();
    text.push_str(&format!("\ncomplete -c p2pc -n '__p2pc_is help' -a '{}'\n", topics.join(" ")));
    Topic::subcommands().for_each(|topic| add(&mut text, topic));
    text
}

fn add(text: &mut String, topic: Topic) {
    let begin = format!("complete -c p2pc -n '__p2pc_is {}'", topic.name());
    text.push('\n');
    let argument = match argument(topic) {
        Value::File => Some("-F".to_owned()),
        Value::Directory => Some("-a '(__fish_complete_directories)'".to_owned()),
        Value::Words(words) => Some(format!("-a '{}'", words.join(" "))),
        Value::Free => None,
    };
    if let Some(argument) = argument {
        text.push_str(&format!("{begin} {argument}\n"));
    }
    for (flag, about) in flags(topic) {
        text.push_str(&begin);
        if let Some(short) = flag.short {
            text.push_str(&format!(" -s {short}"));
        }
        text.push_str(&format!(" -l {}", flag.long.trim_start_matches('-')));
        if flag.value.is_some() {
            text.push_str(&match value(&flag) {
                Value::File => " -rF".to_owned(),
                Value::Directory => " -xa '(__fish_complete_directories)'".to_owned(),
                Value::Words(words) => format!(" -xa '{}'", words.join(" ")),
                Value::Free => " -x".to_owned(),
            });
        }
        text.push_str(&format!(" -d {}\n", quoted(&about)));
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

const HEAD: &str = "\
# Completions of p2pc for fish, drawn from its help. Put this file into ~/.config/fish/completions, as p2pc.fish.

# Whether the subcommand is this one; a file may bear the name of another.
function __p2pc_is
    set -l words (commandline -opc)
    test \"$words[2]\" = $argv[1]
end

complete -c p2pc -f
";
