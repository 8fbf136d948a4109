//! A strict reader of the text format of Prometheus, version 0.0.4: stricter than Prometheus, since only we write it.

use std::collections::{BTreeMap, BTreeSet};

/// What was given out.
pub struct Exposition {
    /// Name and type, in order.
    families: Vec<(String, String)>,
    /// Values by name and labels, all as written.
    samples: BTreeMap<String, String>,
    labels: Vec<(String, String)>,
}

/// One line: its name without the family's, its labels, its value.
struct Sample {
    suffix: String,
    labels: Vec<(String, String)>,
    value: String,
}

impl Exposition {
    /// Reads all of it, or panics with the line that breaks a rule.
    pub fn parse(text: &str) -> Exposition {
        assert!(text.ends_with('\n') && text.is_ascii(), "{text}");
        let mut read = Exposition { families: Vec::new(), samples: BTreeMap::new(), labels: Vec::new() };
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) =
                line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert!(is_name(name, true) && help.ends_with('.') && !help.contains('\\'), "{line}");
            let line = lines.next().unwrap();
            let (typed, kind) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert_eq!(typed, name);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(read.families.iter().all(|(other, _)| other != name), "twice: {name}");
            read.families.push((name.to_owned(), kind.to_owned()));
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(read.sample(line, name, kind));
            }
            assert!(!samples.is_empty(), "{name} has no value");
            if kind == "histogram" {
                check_histogram(name, &samples);
            }
        }
        read
    }

    fn sample(&mut self, line: &str, family: &str, kind: &str) -> Sample {
        let (series, value) = line.rsplit_once(' ').expect(line);
        assert!(!value.starts_with('+') && !value.contains(['e', 'N', 'i']), "{line}");
        let number: f64 = value.parse().expect(line);
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(family).expect(line);
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(kind == "gauge" || number >= 0.0, "{line}");
        let labels: Vec<(String, String)> = labels
            .split(',')
            .filter(|label| !label.is_empty())
            .map(|label| {
                let (label, value) = label.split_once('=').expect(line);
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect(line);
                assert!(is_name(label, false) && !value.contains(['"', '\\']), "{line}");
                (label.to_owned(), value.to_owned())
            })
            .collect();
        assert!(self.samples.insert(series.to_owned(), value.to_owned()).is_none(), "twice: {series}");
        self.labels.extend(labels.iter().cloned());
        Sample { suffix: suffix.to_owned(), labels, value: value.to_owned() }
    }

    pub fn value(&self, sample: &str) -> &str {
        self.samples.get(sample).unwrap_or_else(|| panic!("no {sample}"))
    }

    /// Every name with its type, in order.
    pub fn families(&self) -> Vec<(String, String)> {
        self.families.clone()
    }

    /// Every value that a label has anywhere.
    pub fn label_values(&self, label: &str) -> BTreeSet<&str> {
        self.labels.iter().filter(|(name, _)| name == label).map(|(_, value)| value.as_str()).collect()
    }
}

/// Buckets grow, in their bounds and in what they count; the last is everything.
fn check_histogram(name: &str, samples: &[Sample]) {
    let (buckets, rest) = samples.split_at(samples.len() - 2);
    let [sum, count] = rest else { panic!("{name}") };
    assert_eq!([sum.suffix.as_str(), count.suffix.as_str()], ["_sum", "_count"], "{name}");
    let mut last = (f64::NEG_INFINITY, 0);
    for bucket in buckets {
        let [(label, bound)] = bucket.labels.as_slice() else { panic!("{name}") };
        assert_eq!((bucket.suffix.as_str(), label.as_str()), ("_bucket", "le"), "{name}");
        let now: (f64, u64) = (bound.parse().unwrap(), bucket.value.parse().unwrap());
        assert!(now.0 > last.0 && now.1 >= last.1, "{name}");
        last = now;
    }
    let everything = buckets.last().unwrap();
    assert_eq!(everything.labels[0].1, "+Inf", "{name}");
    assert_eq!(everything.value, count.value, "{name}");
}

fn is_name(text: &str, metric: bool) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (metric && byte == b':');
    !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(rest)
}
