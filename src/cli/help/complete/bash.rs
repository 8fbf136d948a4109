//! For bash, of any version from 3.2 on, with or without the package of completions that many systems have.

use crate::cli::topic::Topic;

use super::{Value, argument, flags, subcommands, value};

/// The script.
pub fn script() -> String {
    let names: Vec<&str> = subcommands().iter().map(|(name, _)| *name).collect();
    let topics: Vec<&str> = Topic::subcommands().map(Topic::name).collect();
    let cases: String = Topic::subcommands().map(case).collect();
    HEAD.to_owned()
        + &BODY
            .replace("{names}", &names.join(" "))
            .replace("{topics}", &topics.join(" "))
            .replace("{cases}", &cases)
}

/// One subcommand: what the option before takes, else its options, else its arguments.
fn case(topic: Topic) -> String {
    let mut valued = String::new();
    let mut words = Vec::new();
    for (flag, _) in flags(topic) {
        let short = flag.short.map(|short| format!("-{short}"));
        words.extend(short.clone());
        words.push(flag.long.clone());
        if flag.value.is_some() {
            let either = short.map_or_else(String::new, |short| format!("{short} | ")) + &flag.long;
            valued.push_str(&format!("                {either}) {}; return ;;\n", offer(value(&flag))));
        }
    }
    let valued = if valued.is_empty() {
        String::new()
    } else {
        format!("            case $before in\n{valued}            esac\n")
    };
    format!(
        "        {})\n{valued}            if [[ -z $only_paths && $word == -* ]]; then\n                _p2pc_words '{}'\n            else\n                \
         {}\n            fi\n            ;;\n",
        topic.name(),
        words.join(" "),
        offer(argument(topic)),
    )
}

fn offer(value: Value) -> String {
    match value {
        Value::File => "_p2pc_paths -f".to_owned(),
        Value::Directory => "_p2pc_paths -d".to_owned(),
        Value::Words(words) => format!("_p2pc_words '{}'", words.join(" ")),
        Value::Free => ":".to_owned(),
    }
}

const HEAD: &str = "\
# Completions of p2pc for bash, drawn from its help. Source this file, or put it where bash looks for completions:
# ~/.local/share/bash-completion/completions/p2pc
";

const BODY: &str = r#"
_p2pc_words() {
    COMPREPLY=($(compgen -W "$1" -- "$word"))
}

_p2pc_paths() {
    local path
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$word")
    # So that what has spaces is quoted, and a directory gets its slash. Bash 3.2 does not know it.
    compopt -o filenames 2>/dev/null || true
}

_p2pc() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} only_paths='' at
    COMPREPLY=()
    # Bash takes --option=value for three words.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD == 1)); then
        _p2pc_words '{names} --help --version'
        return
    fi
    for ((at = 2; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == -- ]]; then
            only_paths=yes before=''
        fi
    done
    case ${COMP_WORDS[1]} in
        help) _p2pc_words '{topics}' ;;
{cases}    esac
}

complete -F _p2pc p2pc
"#;
