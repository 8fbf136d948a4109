//! A receiver that does not keep to the protocol, and what its statement is worth.

use p2pc::Kind;
use p2pc::proto::frame::{CancelReason, Cancelled, Control, Outcome, Reason, Verdict, WireFailure};
use p2pc::proto::limits::WINDOW_BYTES;
use p2pc::send::machine::{self as sending};
use p2pc::send::source::{ReadEnd, SourceEvent};

use super::victim::{data, offering, tell};

#[test]
fn a_lying_receiver_is_found_out() {
    let accept = || Control::Accept { window: WINDOW_BYTES };
    let delivered = || Control::Outcomes(vec![Outcome { entry: 0, failure: None }]);
    let failed = || {
        let failure = Some(WireFailure { reason: Reason::Exists, text: "" });
        Control::Outcomes(vec![Outcome { entry: 0, failure }])
    };
    let plan = |verdict| Control::Plan(vec![verdict]);
    let complete = |delivered, failed| Control::Complete { delivered, failed };
    let lies: Vec<(&str, Vec<Control<'_>>)> = vec![
        ("success at once", vec![complete(1, 0)]),
        ("success without any outcome", vec![accept(), plan(Verdict::Send), complete(1, 0)]),
        ("delivered before it was sent", vec![accept(), plan(Verdict::Send), delivered()]),
        ("an outcome before the plan", vec![accept(), delivered()]),
        ("delivered without being sent", vec![accept(), plan(Verdict::Nothing), delivered()]),
        ("an outcome twice", vec![accept(), plan(Verdict::Nothing), failed(), failed()]),
        ("a wrong count", vec![accept(), plan(Verdict::Nothing), failed(), complete(1, 0)]),
        ("a plan before accepting", vec![plan(Verdict::Send)]),
        ("accepting twice", vec![accept(), accept()]),
        ("a plan of what was not offered", vec![accept(), plan(Verdict::Send), plan(Verdict::Send)]),
        ("credit taken back", vec![accept(), Control::Credit { total: 1 }]),
        ("credit without a bound", vec![accept(), Control::Credit { total: u64::MAX }]),
        ("a window without a bound", vec![Control::Accept { window: u64::MAX }]),
        ("what only a sender says", vec![Control::Receipt]),
        ("a lane that nobody asked for", vec![accept(), Control::LaneTaken { lane: 1, frames: 0 }]),
        ("a lane that there cannot be", vec![accept(), Control::LaneTaken { lane: 16, frames: 0 }]),
    ];
    for (lie, controls) in lies {
        let (mut sender, mut seq) = offering();
        let result = controls.into_iter().find_map(|control| tell(&mut sender, &mut seq, control));
        assert!(matches!(&result, Some(Err(error)) if error.kind() == Kind::Protocol), "{lie}: {result:?}");
    }
    let (mut sender, _) = offering();
    sender.frame(&data(0, 0, b"x"));
    let done =
        std::iter::from_fn(|| sender.poll()).any(|effect| matches!(effect, sending::Effect::Done(Err(_))));
    assert!(done, "a receiver that sends data");
}

#[test]
fn only_the_statement_of_the_receiver_is_success() {
    let (mut sender, mut seq) = offering();
    assert!(tell(&mut sender, &mut seq, Control::Accept { window: WINDOW_BYTES }).is_none());
    assert!(tell(&mut sender, &mut seq, Control::Plan(vec![Verdict::Send])).is_none());
    sender.source(SourceEvent::Ended(ReadEnd { entry: 0, size: 1, root: Some([0; 32]) }));
    sender.idle();
    assert!(
        tell(&mut sender, &mut seq, Control::Outcomes(vec![Outcome { entry: 0, failure: None }])).is_none()
    );
    let result = tell(&mut sender, &mut seq, Control::Complete { delivered: 1, failed: 0 });
    assert!(matches!(result, Some(Ok(report)) if report.delivered == 1));
}

#[test]
fn what_the_other_side_says_at_the_end_decides_the_kind_of_error() {
    for (reason, kind) in [
        (CancelReason::Declined, Kind::Refused),
        (CancelReason::Interrupted, Kind::Refused),
        (CancelReason::Disk, Kind::Refused),
        (CancelReason::Untrusted, Kind::Authentication),
        (CancelReason::Protocol, Kind::Protocol),
    ] {
        let (mut sender, mut seq) = offering();
        let result = tell(&mut sender, &mut seq, Control::Cancel(Cancelled { reason, text: "why" }));
        assert!(matches!(&result, Some(Err(error)) if error.kind() == kind), "{reason:?}");
    }
}
