//! Questions as a person sees them.

use super::testing::pair;

#[test]
fn a_question_is_shown_and_answered() {
    let (tty, mut person) = pair();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| smol::block_on(tty.ask("Really? ")));
        assert_eq!(person.sees("? "), "Really? ");
        person.types("yes\n");
        assert_eq!(asked.join().unwrap().as_deref(), Some("yes"));
    });
}

#[test]
fn the_end_of_the_input_is_no_answer() {
    let (tty, mut person) = pair();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| smol::block_on(tty.ask("Really? ")));
        person.sees("? ");
        person.types("\x04");
        assert_eq!(asked.join().unwrap(), None);
    });
}

#[test]
fn a_line_that_answered_a_dropped_question_answers_no_other() {
    let (tty, mut person) = pair();
    smol::block_on(async {
        // Dropped as soon as the reading thread has been asked.
        futures_lite::future::or(async { drop(tty.ask("First? ").await) }, async {
            while !tty.reads.is_empty() {
                smol::future::yield_now().await;
            }
        })
        .await;
    });
    person.sees("? ");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| smol::block_on(tty.ask("Second? ")));
        person.sees("Second? ");
        person.types("old\nnew\n");
        assert_eq!(asked.join().unwrap().as_deref(), Some("new"));
    });
}

#[test]
fn what_a_question_is_about_is_replaced_row_by_row() {
    let (tty, mut person) = pair();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 10, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&person.terminal, size).unwrap();
    tty.about("Offered: a");
    assert_eq!(person.sees("a\r\n"), "Offered:\r\na\r\n");
    tty.replace_about("Offered: b", "Take? ");
    assert_eq!(person.sees("\x1b8"), "\x1b7\x1b[2A\r\x1b[2KOffered:\r\n\r\x1b[2Kb\x1b8");
    tty.replace_about("Offered: 0123456789", "Take? ");
    assert_eq!(person.sees("? "), "\r\x1b[2A\x1b[JOffered:\r\n012345678\r\n9\r\nTake? ");
}
