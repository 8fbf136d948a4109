//! What a number with a unit was probably meant to be, where it cannot be read: shown in a hint, and never taken.

/// How a number and a unit that stand apart are written, if `is_one` takes one of the ways to write them for a value.
pub fn joined(number: &str, unit: &str, is_one: impl Fn(&str) -> bool) -> Option<String> {
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_unit = !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'/');
    if !is_number || !is_unit {
        return None;
    }
    let whole = format!("{number}{unit}");
    let ways = [vec![whole.clone()], time(&whole), rate(&whole), binary(&whole)];
    ways.into_iter().flatten().find(|way| is_one(way))
}

/// `5min`, `5 minutes`, `2 days`; of a number alone nobody knows the unit.
pub fn time(text: &str) -> Vec<String> {
    let Some((number, unit)) = split(text) else { return Vec::new() };
    let written = match unit.as_str() {
        "" => return vec![format!("{number}s"), format!("{number}m")],
        "s" | "sec" | "secs" | "second" | "seconds" => format!("{number}s"),
        "m" | "min" | "mins" | "minute" | "minutes" => format!("{number}m"),
        "h" | "hr" | "hrs" | "hour" | "hours" => format!("{number}h"),
        "d" | "day" | "days" => match number.parse::<u32>() {
            Ok(days) => format!("{}h", u64::from(days) * 24),
            Err(_) => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![written]
}

/// `10mb`, `10 MB`, `10MBps`, `10Mbps`, `10Mb/s`: in bytes, or where a small b may mean bits, in both.
pub fn rate(text: &str) -> Vec<String> {
    let Some((number, _)) = split(text) else { return Vec::new() };
    // Here a capital says something.
    let unit: String = text.chars().filter(|c| c.is_ascii_alphabetic() || *c == '/').collect();
    let a_second = ["/s", "/sec", "ps", "s"];
    let unit = a_second.iter().find_map(|ending| unit.strip_suffix(ending)).unwrap_or(&unit);
    let lower = unit.to_ascii_lowercase();
    let Some(prefix) = prefix(&lower) else { return Vec::new() };
    let bits = format!("{number}{prefix}bit");
    match lower.get(1..).unwrap_or_default() {
        "" => vec![format!("{number}{prefix}"), bits],
        "b" if unit.ends_with('B') => vec![format!("{number}{prefix}B")],
        "b" => vec![format!("{number}{prefix}B"), bits],
        "bit" | "bits" => vec![bits],
        "i" | "ib" => vec![format!("{number}{}iB", prefix.to_ascii_uppercase())],
        _ => Vec::new(),
    }
}

/// `10gb`, `10 GB`, where bits make no sense.
pub fn size(text: &str) -> Vec<String> {
    let mut ways = rate(text);
    ways.retain(|way| !way.ends_with("bit"));
    ways
}

/// `1M`, `1 MB`, `1`: where only powers of two are.
pub fn binary(text: &str) -> Vec<String> {
    let Some((number, unit)) = split(text) else { return Vec::new() };
    match unit.as_str() {
        "" => vec![format!("{number}MiB"), format!("{number}KiB")],
        "k" | "kb" | "kib" => vec![format!("{number}KiB")],
        "m" | "mb" | "mib" => vec![format!("{number}MiB")],
        _ => Vec::new(),
    }
}

/// A number and what follows it, in small letters, without the blanks around both.
fn split(text: &str) -> Option<(&str, String)> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at_checked(digits)?;
    (!number.is_empty()).then(|| (number, unit.trim().to_ascii_lowercase()))
}

fn prefix(unit: &str) -> Option<char> {
    match unit.chars().next()? {
        'k' => Some('k'),
        'm' => Some('M'),
        'g' => Some('G'),
        _ => None,
    }
}
