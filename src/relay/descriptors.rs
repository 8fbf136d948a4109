//! How many connections the system lets this process have.

/// Asks the system for as many file descriptors as it will ever give, unless the process is somebody else's (`is_ours`).
#[cfg(unix)]
pub fn connections_max(is_ours: bool, listeners: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { mut current, maximum } = getrlimit(Resource::Nofile);
    // Some systems say "any number" and mean less: then it stays as it was.
    if is_ours && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        current = maximum;
    }
    let descriptors = current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX);
    room_for_connections(descriptors, listeners)
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn connections_max(_is_ours: bool, listeners: usize) -> usize {
    room_for_connections(usize::MAX, listeners)
}

/// Those that are free are not for connections, and neither are those of the process itself and of whoever is told that there is no place.
fn room_for_connections(descriptors: usize, listeners: usize) -> usize {
    use super::limits::{CONNECTIONS_LEAST, DESCRIPTORS_FREE, DESCRIPTORS_OWN, TURNED_AWAY_MAX};

    let others = DESCRIPTORS_FREE + DESCRIPTORS_OWN + TURNED_AWAY_MAX + listeners;
    descriptors.saturating_sub(others).max(CONNECTIONS_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_stay_free() {
        assert_eq!(room_for_connections(1024, 2), 1024 - 64 - 64 - 32 - 2);
        assert_eq!(room_for_connections(100, 1), 34);
    }
}
