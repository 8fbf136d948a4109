//! Files of tokens.

use super::*;

const ANNA: &str = "4c1b0f0f6d3e4a0f9f5c7be1";
const BEN: &str = "correct-horse#battery";

fn known(text: &str) -> Known {
    parse(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> (Option<usize>, String) {
    let Fault { line, what } = parse(text.as_bytes()).unwrap_err();
    (line, what)
}

fn shown(text: &str) -> Token {
    Token::parse(text).unwrap()
}

#[test]
fn names_and_tokens_are_found_between_comments_and_blanks() {
    let text = format!("# people\n\n  anna\t {ANNA}  # on holiday\r\n\tben.2-x_Y {BEN}");
    let known = known(&text);
    assert_eq!(known.name_of(&shown(ANNA)).as_deref(), Some("anna"));
    assert_eq!(known.name_of(&shown(BEN)).as_deref(), Some("ben.2-x_Y"));
    assert_eq!(known.name_of(&shown("4c1b0f0f6d3e4a0f9f5c7be2")), None);
    assert_eq!(known.name_of(&shown("4c1b0f0f6d3e4a0f9f5c7be1x")), None);
}

#[test]
fn the_first_and_the_last_of_many_are_found() {
    let text: String = (0..TOKENS_MAX).map(|n| format!("name-{n} token-of-name-{n:05}\n")).collect();
    let many = known(&text);
    for n in [0, 1, TOKENS_MAX / 2, TOKENS_MAX - 1] {
        let name = format!("name-{n}");
        assert_eq!(many.name_of(&shown(&format!("token-of-name-{n:05}"))).as_deref(), Some(name.as_str()));
    }
    let (line, what) = refused(&format!("{text}one-more {ANNA}\n"));
    assert_eq!((line, what.as_str()), (Some(TOKENS_MAX + 1), "there are more than 10000 tokens"));
}

#[test]
fn a_wrong_line_is_named_and_never_shown() {
    let long_name = "n".repeat(65);
    let long = "x".repeat(257);
    for (wrong, what) in [
        ("anna", "there must be a name and a token"),
        (ANNA, "there must be a name and a token"),
        (&*format!("anna {ANNA} more"), "and nothing else"),
        ("anna #4c1b0f0f6d3e4a0f9f5c7be1", "there must be a name and a token"),
        (&*format!("an/na {ANNA}"), "the name is not 1 to 64 characters"),
        (&*format!("ännä {ANNA}"), "the name is not"),
        (&*format!("{long_name} {ANNA}"), "the name is not"),
        (&*format!("\u{feff}anna {ANNA}"), "the name is not"),
        ("anna short-secret", "shorter than 16"),
        (&*format!("anna {long}"), "longer than 256"),
        ("anna 4c1b0f0f6d3e4a0f9fä5c7be1", "not printable ASCII"),
        ("anna 4c1b0f0f6d3e4a0f\u{1}9f5c7be1", "not printable ASCII"),
        (&*format!("zoe {ANNA}-9"), "the name stands in line 2 already"),
        (&*format!("anna {BEN}"), "the token stands in line 2 already"),
    ] {
        let (line, said) = refused(&format!("# first\nzoe {BEN}\n{wrong}\n"));
        assert_eq!(line, Some(3), "{said}");
        assert!(said.contains(what), "{said}");
        for secret in ["4c1b", "short-secret", BEN] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_a_wrong_line() {
    let fault = parse(b"anna 0123456789abcdef\nben \xff\xfe0123456789abcdef\n").unwrap_err();
    assert_eq!((fault.line, fault.what.as_str()), (Some(2), "the token is not ASCII"));
    assert_eq!(parse(b"\xff 0123456789abcdef\n").unwrap_err().line, Some(1));
}

#[test]
fn a_file_without_a_token_is_a_mistake() {
    for empty in ["", "\n\n", "# anna 0123456789abcdef\n"] {
        assert_eq!(refused(empty).0, None);
    }
}

#[test]
fn a_broken_file_leaves_the_old_tokens_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    std::fs::write(&path, format!("anna {ANNA}\n")).unwrap();
    let tokens = Tokens::read(&path).unwrap();
    let standing = |text: &str| tokens.judge(&Credentials::Token(shown(text))).map(|pass| pass.standing);
    assert_eq!(standing(ANNA), Ok(Standing::Member));
    std::fs::write(&path, format!("anna {ANNA}\nben oops\n")).unwrap();
    let error = tokens.read_again().unwrap_err();
    assert!(error.to_string().contains("line 2") && !error.to_string().contains("oops"), "{error}");
    assert_eq!((standing(ANNA), standing(BEN), tokens.count()), (Ok(Standing::Member), Err(Unknown), 1));
    std::fs::remove_file(&path).unwrap();
    assert!(tokens.read_again().is_err());
    assert_eq!(standing(ANNA), Ok(Standing::Member));
    std::fs::write(&path, format!("ben {BEN}\n")).unwrap();
    tokens.read_again().unwrap();
    assert_eq!((standing(ANNA), standing(BEN)), (Err(Unknown), Ok(Standing::Member)));
    assert_eq!(tokens.judge(&Credentials::None).unwrap().standing, Standing::Guest);
    assert_eq!(tokens.judge(&Credentials::Unusable), Err(Unknown));
}

#[test]
fn what_is_no_file_or_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Tokens::read(dir.path()).is_err());
    let path = dir.path().join("tokens");
    std::fs::write(&path, vec![b'\n'; 1 + usize::try_from(FILE_BYTES_MAX).unwrap()]).unwrap();
    assert_eq!(Tokens::read(&path).unwrap_err().kind(), Kind::Usage);
}
