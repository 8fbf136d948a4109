//! Questions as a person sees them.

use rustix::termios::{Action, tcflow};

use super::Tty;
use super::testing::{Person, pair};
use crate::term::edit::Completion;

/// Asks, and meanwhile does what the person does.
fn asked(tty: &Tty, about: &str, question: &str, person: impl FnOnce()) -> Option<String> {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| smol::block_on(tty.ask_about(about, question)));
        person();
        asked.join().unwrap()
    })
}

fn narrow(person: &Person, columns: u16) {
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&person.terminal, size).unwrap();
}

#[test]
fn a_question_is_shown_and_answered() {
    let (tty, mut person) = pair();
    let answer = asked(&tty, "", "Really? ", || {
        assert_eq!(person.sees("? \x1b[K"), "\rReally? \x1b[K");
        person.types("yes\n");
        assert!(person.sees("\r\n").ends_with("\rReally? yes\x1b[K\r\n"));
    });
    assert_eq!(answer.as_deref(), Some("yes"));
}

#[test]
fn a_terminal_that_edits_by_itself_is_left_to_it() {
    let (mut tty, mut person) = pair();
    tty.rewrites = false;
    let answer = asked(&tty, "Offered: a", "Really? ", || {
        assert_eq!(person.sees("? "), "Offered: a\r\nReally? ");
        // It cannot be moved, so what else is to be said waits.
        person.queue().line("note");
        person.queue().passing_line("another");
        tty.line("written");
        assert_eq!(person.sees("written\r\n"), "written\r\n", "they were put before that");
        person.types("yes\n");
        assert_eq!(person.sees("another\r\n"), "yes\r\nnote\r\nanother\r\n");
    });
    assert_eq!(answer.as_deref(), Some("yes"));
}

#[test]
fn the_end_of_the_input_is_no_answer() {
    for rewrites in [true, false] {
        let (mut tty, mut person) = pair();
        tty.rewrites = rewrites;
        let answer = asked(&tty, "", "Really? ", || {
            person.sees("? ");
            person.types("\x04");
        });
        assert_eq!(answer, None);
        person.sees("\r\n");
    }
}

#[test]
fn what_is_typed_answers_the_question_that_stands_there() {
    for rewrites in [true, false] {
        let (mut tty, mut person) = pair();
        tty.rewrites = rewrites;
        smol::block_on(async {
            let shown = async {
                person.sees("First? ");
                person.types("y");
                person.sees("y");
            };
            futures_lite::future::or(async { drop(tty.ask("First? ").await) }, shown).await;
        });
        let answer = asked(&tty, "", "Second? ", || {
            // Given up: the cursor is behind it no more, and what was typed is forgotten.
            assert!(person.sees("Second? ").contains("\r\n"));
            person.types("no\n");
        });
        assert_eq!(answer.as_deref(), Some("no"));
    }
}

#[test]
fn keys_typed_while_a_question_cannot_be_seen_do_not_answer_it() {
    for rewrites in [true, false] {
        let (mut tty, mut person) = pair();
        tty.rewrites = rewrites;
        let terminal = tty.output.file();
        tcflow(terminal, Action::OOff).unwrap();
        let answer = asked(&tty, "Offered: a", "Really? ", || {
            while !person.queue().is_writing() {
                std::thread::yield_now();
            }
            person.types("yes\n");
            while rustix::io::ioctl_fionread(terminal).unwrap() == 0 {
                std::thread::yield_now();
            }
            tcflow(terminal, Action::OOn).unwrap();
            person.sees("Really? ");
            person.types("no\n");
        });
        assert_eq!(answer.as_deref(), Some("no"));
    }
}

#[test]
fn a_question_given_up_before_it_could_be_seen_is_taken_away() {
    for (rewrites, end) in [(true, "\r\x1b[1A\x1b[Jnote\r\n"), (false, "Really?\r\nnote\r\n")] {
        let (mut tty, mut person) = pair();
        tty.rewrites = rewrites;
        tcflow(tty.output.file(), Action::OOff).unwrap();
        smol::block_on(async {
            let unseen = async {
                while !person.queue().is_writing() {
                    smol::future::yield_now().await;
                }
            };
            futures_lite::future::or(async { drop(tty.ask_about("Offered: a", "Really? ").await) }, unseen)
                .await;
        });
        tcflow(tty.output.file(), Action::OOn).unwrap();
        tty.line("note");
        assert!(person.sees("note\r\n").ends_with(end));
    }
}

#[test]
fn other_lines_go_above_a_question_and_what_is_typed_stays() {
    let (tty, mut person) = pair();
    let answer = asked(&tty, "Offered: a", "Take? ", || {
        person.sees("Take? \x1b[K");
        person.types("ye");
        person.sees("\rTake? ye\x1b[K");
        tty.line("note");
        assert_eq!(
            person.sees("ye\x1b[K"),
            "\r\x1b[1A\x1b[Jnote\r\n\rOffered: a\x1b[K\r\nTake? ye\x1b[K",
            "the question stands whole below it"
        );
        person.types("s\n");
    });
    assert_eq!(answer.as_deref(), Some("yes"));
}

#[test]
fn standard_error_goes_above_a_question_too() {
    let (tty, mut person) = pair();
    asked(&tty, "", "Take? ", || {
        person.sees("Take? \x1b[K");
        person.queue().line("note");
        assert_eq!(person.sees("Take? \x1b[K"), "\r\x1b[Jnote\r\n\rTake? \x1b[K");
        person.types("\n");
    });
}

#[test]
fn what_a_question_is_about_is_replaced_row_by_row() {
    let (tty, mut person) = pair();
    narrow(&person, 10);
    asked(&tty, "Offered: a", "Take? ", || {
        assert_eq!(person.sees("? \x1b[K"), "\rOffered:\x1b[K\r\na\x1b[K\r\nTake? \x1b[K");
        tty.replace_about("Offered: b");
        assert_eq!(person.sees("? \x1b[K"), "\r\x1b[2AOffered:\x1b[K\r\nb\x1b[K\r\nTake? \x1b[K");
        tty.replace_about("b");
        assert_eq!(person.sees("? \x1b[K"), "\r\x1b[2A\x1b[J\rb\x1b[K\r\nTake? \x1b[K");
        person.types("0123456");
        assert!(person.sees("\rTake? <56\x1b[K").contains("\rTake? 012\x1b[K"), "the end of a long line");
        person.types("\n");
        assert!(person.sees("\r\n").ends_with("\rTake? 0123456\x1b[K\r\n"), "all of it stays");
    });
}

#[test]
fn candidates_stand_above_the_line() {
    let (tty, mut person) = pair();
    let complete = |_: &str| Completion { append: String::new(), candidates: vec!["acid", "acorn"] };
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| smol::block_on(tty.edit("Code: ", "ac", complete)));
        person.sees("\rCode: ac\x1b[K");
        person.types("\t");
        assert_eq!(person.sees("ac\x1b[K"), "\r\x1b[Jacid  acorn\r\n\rCode: ac\x1b[K");
        person.types("\n");
        assert_eq!(asked.join().unwrap().as_deref(), Some("ac"));
    });
}

#[test]
fn a_terminal_that_is_gone_ends_the_question() {
    let (tty, mut person) = pair();
    let answer = asked(&tty, "", "Take? ", || {
        person.sees("Take? ");
        drop(person);
    });
    assert_eq!(answer, None);
}
