//! For zsh.

use crate::cli::topic::Topic;

use super::super::page::Flag;
use super::{Value, argument, flags, subcommands, value};

/// The script.
pub fn script() -> String {
    let described: String = subcommands()
        .iter()
        .map(|(name, about)| format!("        '{name}:{}'\n", about.replace('\'', "'\\''")))
        .collect();
    let topics: Vec<&str> = Topic::subcommands().map(Topic::name).collect();
    let cases: String = Topic::subcommands().map(case).collect();
    HEAD.to_owned()
        + &BODY
            .replace("{described}", &described)
            .replace("{topics}", &topics.join(" "))
            .replace("{cases}", &cases)
}

fn case(topic: Topic) -> String {
    let mut specs: Vec<String> = flags(topic).iter().map(|(flag, about)| spec(flag, about)).collect();
    let rest = match argument(topic) {
        Value::File => "'*:path:_files'".to_owned(),
        Value::Directory => "'*:directory:_files -/'".to_owned(),
        Value::Words(words) => format!("'1: :({})'", words.join(" ")),
        Value::Free => "'*: : '".to_owned(),
    };
    specs.push(rest);
    format!(
        "                {})\n                    _arguments -s -S : \\\n                        {}\n                    ;;\n",
        topic.name(),
        specs.join(" \\\n                        "),
    )
}

/// `'(-o --out)'{-o+,--out=}'[write there]:DIR:_files -/'`
fn spec(flag: &Flag, about: &str) -> String {
    let about = about.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]");
    let value = flag.value.as_ref().map_or_else(String::new, |name| {
        let name = name.replace(':', "\\:");
        let action = match value(flag) {
            Value::File => "_files".to_owned(),
            Value::Directory => "_files -/".to_owned(),
            Value::Words(words) => format!("({})", words.join(" ")),
            Value::Free => " ".to_owned(),
        };
        format!(":{name}:{action}")
    });
    let (attached, equals) = if flag.value.is_some() { ("+", "=") } else { ("", "") };
    let long = &flag.long;
    match flag.short {
        Some(short) => format!("'(-{short} {long})'{{-{short}{attached},{long}{equals}}}'[{about}]{value}'"),
        None => format!("'{long}{equals}[{about}]{value}'"),
    }
}

const HEAD: &str = "\
#compdef p2pc
# Completions of p2pc for zsh, drawn from its help. Put this file, as _p2pc, into a directory of $fpath, or source it behind compinit.
";

const BODY: &str = r#"
_p2pc() {
    local context state state_descr line
    local -a subcommands
    typeset -A opt_args
    subcommands=(
{described}    )
    _arguments -C \
        '(-h --help)'{-h,--help}'[show help]' \
        '(-V --version)'{-V,--version}'[show the version]' \
        '1: :->subcommand' \
        '*:: :->rest'
    case $state in
        subcommand) _describe -t commands subcommand subcommands ;;
        rest)
            case $words[1] in
                help) _arguments '1: :({topics})' ;;
{cases}            esac
            ;;
    esac
}

if [[ $funcstack[1] == _p2pc ]]; then
    _p2pc "$@"
else
    compdef _p2pc p2pc
fi
"#;
