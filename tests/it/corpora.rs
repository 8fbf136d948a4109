//! What the fuzzer has found interesting so far, fed to the same bodies in every run of the tests.

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;

use std::fs;
use std::path::Path;

type Body = fn(&[u8]);

/// Every target, and whether its corpus is there: a target without one is replayed by nobody.
#[test]
fn every_corpus_passes() {
    let targets: [(&str, Body); 10] = [
        ("frame", bodies::frame),
        ("packed", bodies::packed),
        ("manifest", bodies::manifest),
        ("handshake", bodies::handshake),
        ("rejoin", bodies::rejoin),
        ("journal", bodies::journal),
        ("sender", bodies::sender),
        ("receiver", bodies::receiver),
        ("switchboard", bodies::switchboard),
        ("relay", bodies::relay),
    ];
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let declared = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(declared, targets.len(), "a target is not replayed");
    for (name, body) in targets {
        let inputs: Vec<_> = fs::read_dir(fuzz.join("corpus").join(name)).unwrap().collect();
        assert!(inputs.len() >= 10, "the corpus of {name} has {} inputs", inputs.len());
        for input in inputs {
            let path = input.unwrap().path();
            // The name is what a failure is replayed with.
            println!("{}", path.display());
            body(&fs::read(&path).unwrap());
        }
    }
}
