//! The status line: how far it is, and what is happening where nothing moves.
//!
//! Each of them comes in several forms, one a line, the longest first: a narrow terminal shows the first that fits.

use std::time::Duration;

use crate::events::Progress;
use crate::net::RelayUrl;
use crate::term::clean::clean;
use crate::term::human;
use crate::term::meter::Meter;

use super::Side;

/// How far it is. What tells most is kept longest.
pub fn status(side: Side, progress: &Progress, meter: &Meter, compares: bool) -> String {
    let [percent, of_total, pace, time, entries] = fields(side, progress, meter, compares);
    let done = human::bytes(progress.bytes_done);
    let short = percent.clone().unwrap_or_else(|| done.clone());
    let forms = [
        vec![percent.clone(), bar(progress), of_total.clone(), pace.clone(), time.clone(), entries.clone()],
        vec![percent.clone(), of_total.clone(), pace.clone(), time.clone(), entries],
        vec![percent.clone(), of_total, pace.clone(), time.clone()],
        vec![percent.clone(), Some(done), pace.clone(), time.clone()],
        vec![percent, pace.clone(), time.clone()],
        vec![Some(short.clone()), time.or(pace)],
        vec![Some(short)],
    ];
    forms.map(|fields| joined(fields.into_iter().flatten())).join("\n")
}

/// The same as one line, for a log.
pub fn milestone(side: Side, progress: &Progress, meter: &Meter, compares: bool) -> String {
    joined(fields(side, progress, meter, compares).into_iter().flatten()).trim_start().to_owned()
}

/// Percent, bytes, rate, time and entries, as far as there is something to say of them.
fn fields(side: Side, progress: &Progress, meter: &Meter, compares: bool) -> [Option<String>; 5] {
    let at_least = if progress.complete { "" } else { "at least " };
    let done = human::bytes(progress.bytes_done);
    let percent = percent(progress).map(|percent| format!("{percent:3}%"));
    // A stream counts in the total from its end on: until then the total may be behind what is done.
    let of_total = match progress.bytes_total {
        0 => done.clone(),
        total if total < progress.bytes_done => done.clone(),
        total => format!("{done} of {at_least}{}", human::bytes(total)),
    };
    let entries = format!(
        "{} of {at_least}{}",
        progress.entries_done,
        human::count(progress.entries_total, "entry", "entries")
    );
    // Of a single one its bytes say more.
    let is_one = progress.entries_total <= 1;
    let (pace, time) = pace(side, progress, meter, compares);
    [percent, Some(of_total), pace, time, Some(entries).filter(|_| !is_one)]
}

/// The share as a picture.
fn bar(progress: &Progress) -> Option<String> {
    let done = usize::try_from(percent(progress)?).unwrap_or(100) * BAR_COLUMNS / 100;
    let head = if done < BAR_COLUMNS { ">" } else { "" };
    let rest = BAR_COLUMNS - done - head.len();
    Some(format!("[{}{head}{}]", "=".repeat(done), " ".repeat(rest)))
}

/// How fast it is, and how long it takes; or why nobody can say.
fn pace(side: Side, progress: &Progress, meter: &Meter, compares: bool) -> (Option<String>, Option<String>) {
    let left = progress.bytes_total.saturating_sub(progress.bytes_done);
    if let Some(what) = finishing(side, progress) {
        return (Some(what.to_owned()), None);
    }
    // A rate that fades away, and hours left, would hide that nothing moves.
    if let Some(still) = meter.stalled().filter(|_| left > 0 || !progress.complete) {
        return (Some(format!("stalled for {}", human::countdown(still))), None);
    }
    let rate = meter.bytes_per_second().map(human::rate);
    let rate = rate.map(|rate| if compares { format!("comparing {rate}") } else { rate });
    let time = meter.time_left(left).filter(|_| progress.complete && left > 0);
    (rate, time.map(|time| format!("{} left", human::duration(time))))
}

/// All bytes are there, and not yet kept for good.
fn finishing(side: Side, progress: &Progress) -> Option<&'static str> {
    let has_all =
        progress.complete && progress.bytes_total > 0 && progress.bytes_done >= progress.bytes_total;
    (has_all && progress.entries_done < progress.entries_total).then_some(match side {
        Side::Send => "the other side writes to its disk",
        Side::Receive => "writing to disk",
    })
}

/// Of a total that is known, and is not nothing.
pub fn percent(progress: &Progress) -> Option<u64> {
    let total = progress.complete.then_some(u128::from(progress.bytes_total))?;
    let percent = (u128::from(progress.bytes_done) * 100).checked_div(total)?;
    Some(u64::try_from(percent).unwrap_or(100).min(100))
}

/// On the way to the relay.
pub fn reaching(relay: &RelayUrl, since: Duration) -> String {
    let time = human::countdown(since);
    format!(
        "connecting to {}  {time}\nconnecting to the relay  {time}\nconnecting",
        clean(relay.to_string().as_bytes())
    )
}

/// The other side has not come. `left`: until it is no longer waited for.
pub fn waiting(since: Duration, left: Option<Duration>) -> String {
    let time = human::countdown(since);
    let mut forms = vec![format!("waiting for the other side  {time}"), format!("waiting  {time}")];
    match left.map(human::countdown) {
        Some(left) => forms.insert(0, format!("{}  gives up in {left}", forms[0])),
        None => forms.insert(0, format!("{}  Ctrl-C ends it", forms[0])),
    }
    forms.join("\n")
}

/// Both are there, and one of the two people has yet to agree; `side` is where this is read.
pub fn undecided(side: Side, since: Duration) -> String {
    let time = human::countdown(since);
    match side {
        Side::Send => {
            format!("waiting for the answer of the other side  {time}\nwaiting for the answer  {time}")
        }
        Side::Receive => {
            format!("waiting for the list of the other side  {time}\nwaiting for the list  {time}")
        }
    }
}

/// Both are there, and the other side's person compares what both show; `side` is where this is read.
pub fn unverified(side: Side, since: Duration) -> String {
    let time = human::countdown(since);
    let wait = match side {
        // Whoever has compared is asked about the offer next, and the sender is told of both answers at once.
        Side::Send => "waiting for the other side to compare and accept",
        Side::Receive => "waiting for the other side to compare",
    };
    format!("{wait}  {time}\nwaiting to be compared  {time}\nwaiting  {time}")
}

/// The relay cannot be reached while this side waits.
pub fn relay_away(since: Duration) -> String {
    let time = human::countdown(since);
    format!("the relay is out of reach  {time}  trying again\nrelay out of reach  {time}\nno relay  {time}")
}

/// The relay has no place now.
pub fn relay_full(left: Duration) -> String {
    let time = human::countdown(left);
    format!("the relay is busy  asked again in {time}\nrelay busy  again in {time}\nrelay busy  {time}")
}

/// The connection is lost. `busy`: until the relay is asked again.
pub fn looking(left: Duration, busy: Option<Duration>) -> String {
    let time = human::countdown(left);
    let doing = match busy.map(human::countdown) {
        Some(busy) => format!("relay busy, asked again in {busy}"),
        None => "looking for the other side".to_owned(),
    };
    format!("connection lost ({time} left)  {doing}\nconnection lost ({time} left)\nlost ({time} left)")
}

fn joined(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(FIELD_GAP)
}

/// Every twentieth shows.
const BAR_COLUMNS: usize = 20;
/// What stands between the fields of a status line.
const FIELD_GAP: &str = "  ";

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(progress: &Progress, meter: &Meter) -> String {
        status(Side::Receive, progress, meter, false).lines().next().unwrap_or_default().to_owned()
    }

    fn half() -> (Progress, Meter) {
        let mut meter = Meter::default();
        meter.observe(Duration::ZERO, 0);
        meter.observe(Duration::from_secs(4), 512 << 20);
        let progress = Progress {
            entries_done: 12,
            entries_total: 1040,
            bytes_done: 512 << 20,
            bytes_total: 1 << 30,
            bytes_held: 0,
            complete: true,
        };
        (progress, meter)
    }

    #[test]
    fn the_status_is_exact_only_when_it_can_be() {
        let (mut progress, meter) = half();
        assert_eq!(
            longest(&progress, &meter),
            " 50%  [==========>         ]  512 MiB of 1.0 GiB  128 MiB/s  4 s left  12 of 1,040 entries"
        );
        assert_eq!(
            milestone(Side::Send, &progress, &meter, false),
            "50%  512 MiB of 1.0 GiB  128 MiB/s  4 s left  12 of 1,040 entries"
        );
        progress.complete = false;
        let fresh = Meter::default();
        assert_eq!(longest(&progress, &fresh), "512 MiB of at least 1.0 GiB  12 of at least 1,040 entries");
        progress = Progress { complete: true, ..Progress::default() };
        assert_eq!(longest(&progress, &fresh), "0 B");
        progress = Progress { entries_total: 1, bytes_done: 3 << 20, ..Progress::default() };
        assert_eq!(longest(&progress, &fresh), "3.0 MiB", "a stream");
    }

    #[test]
    fn shorter_forms_keep_what_tells_most() {
        let (progress, meter) = half();
        let forms = status(Side::Send, &progress, &meter, false);
        assert_eq!(
            forms.lines().skip(1).collect::<Vec<_>>(),
            [
                " 50%  512 MiB of 1.0 GiB  128 MiB/s  4 s left  12 of 1,040 entries",
                " 50%  512 MiB of 1.0 GiB  128 MiB/s  4 s left",
                " 50%  512 MiB  128 MiB/s  4 s left",
                " 50%  128 MiB/s  4 s left",
                " 50%  4 s left",
                " 50%"
            ]
        );
    }

    #[test]
    fn what_happens_where_nothing_moves_is_said() {
        let (mut progress, mut meter) = half();
        let told = status(Side::Send, &progress, &meter, true);
        assert!(told.contains("  comparing 128 MiB/s  4 s left"), "{told}");
        meter.observe(Duration::from_secs(16), 512 << 20);
        assert!(longest(&progress, &meter).contains("]  512 MiB of 1.0 GiB  stalled for 0:12  12 of"));
        progress.bytes_done = progress.bytes_total;
        assert!(longest(&progress, &meter).contains("]  1.0 GiB of 1.0 GiB  writing to disk  12 of"));
        let told = status(Side::Send, &progress, &meter, false);
        assert!(told.contains("the other side writes to its disk"), "{told}");
        progress.entries_done = progress.entries_total;
        assert!(!longest(&progress, &meter).contains("disk"));
    }

    #[test]
    fn the_bar_grows_to_its_end() {
        let shown = |done| {
            let progress =
                Progress { bytes_done: done, bytes_total: 1000, complete: true, ..Progress::default() };
            bar(&progress).unwrap()
        };
        assert_eq!(shown(0), "[>                   ]");
        assert_eq!(shown(999), "[===================>]");
        assert_eq!(shown(1000), "[====================]");
        assert_eq!(bar(&Progress { bytes_done: 1, bytes_total: 2, ..Progress::default() }), None);
    }

    #[test]
    fn one_entry_is_not_counted() {
        let progress = Progress {
            entries_total: 1,
            bytes_done: 512,
            bytes_total: 1024,
            complete: true,
            ..Progress::default()
        };
        assert!(!longest(&progress, &Meter::default()).contains("entr"));
    }

    #[test]
    fn every_wait_is_said() {
        let (short, long) = (Duration::from_secs(42), Duration::from_secs(581));
        let first = |forms: String| forms.lines().next().unwrap_or_default().to_owned();
        assert_eq!(first(waiting(short, None)), "waiting for the other side  0:42  Ctrl-C ends it");
        assert_eq!(first(waiting(short, Some(long))), "waiting for the other side  0:42  gives up in 9:41");
        assert_eq!(first(undecided(Side::Send, short)), "waiting for the answer of the other side  0:42");
        assert_eq!(first(relay_full(short)), "the relay is busy  asked again in 0:42");
        assert_eq!(first(relay_away(short)), "the relay is out of reach  0:42  trying again");
        assert_eq!(first(looking(long, None)), "connection lost (9:41 left)  looking for the other side");
        assert_eq!(
            first(looking(long, Some(short))),
            "connection lost (9:41 left)  relay busy, asked again in 0:42"
        );
        let relay = "relay.example".parse().unwrap();
        assert_eq!(first(reaching(&relay, short)), "connecting to relay.example  0:42");
    }

    #[test]
    fn the_shortest_form_fits_anywhere() {
        let (progress, meter) = half();
        let long = Duration::from_secs(3600);
        let relay = "relay.example".parse().unwrap();
        for forms in [
            status(Side::Send, &progress, &meter, false),
            waiting(long, Some(long)),
            undecided(Side::Send, long),
            unverified(Side::Send, long),
            relay_full(long),
            relay_away(long),
            looking(long, Some(long)),
            reaching(&relay, long),
        ] {
            let lengths: Vec<_> = forms.lines().map(str::len).collect();
            assert!(lengths.is_sorted_by(|one, other| one >= other), "{forms}");
            assert!(lengths.last() <= Some(&37), "{forms}");
        }
    }
}
