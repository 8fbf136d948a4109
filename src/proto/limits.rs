//! Every bound of the protocol, by name, with its reason. Both sides enforce them: the one that sends stays
//! below, the one that receives refuses what lies above.

/// The longest name of one file or directory, in bytes: what the common file systems allow (`NAME_MAX`).
pub const NAME_BYTES_MAX: usize = 255;

/// The longest path below the output directory, in bytes: Linux's `PATH_MAX` less the final NUL. Bounds the
/// depth too.
pub const PATH_BYTES_MAX: usize = 4095;

/// The longest target of a symbolic link, in bytes: `PATH_MAX` again.
pub const LINK_BYTES_MAX: usize = 4095;

/// File bytes in one data frame. Big enough that the cost per record vanishes, small enough that a record
/// takes well under a second on a slow line (a quarter of a second at 8 Mbit/s) and that control frames never
/// wait long behind it.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// What a frame's postcard header may take, in bytes: [`PIECES_MAX`] pieces at their longest fit in it.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

/// The longest frame, in bytes, control frames included: what a record seals.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// Pieces in one data frame. A piece takes at most 26 bytes of header, so 256 of them stay below
/// [`HEADER_BYTES_MAX`]; files of 1 KiB still fill a whole payload.
pub const PIECES_MAX: usize = 256;

/// What the header of one piece takes at most: a one-byte variant, two 64-bit varints and a 32-bit one.
pub const PIECE_HEADER_BYTES_MAX: usize = 26;

/// What the header of a piece that names a chunk by its value takes at most: as above, and the value.
pub const SAME_HEADER_BYTES_MAX: usize = PIECE_HEADER_BYTES_MAX + 32;

/// Zeros and chunks that one data frame names without carrying them, in bytes. They take no room in it, but
/// the receiver hashes them: some 10 ms.
pub const NAMED_BYTES_MAX: u32 = 32 << 20;

/// So many bytes that are named and not carried count for one byte of the window, so that a window full of
/// them keeps the receiver busy for half a second and not for days.
pub const NAMED_PER_COST: u64 = 64;

/// Lanes of one session. Sixteen streams that lose one packet in a thousand fill a line that one fills to a
/// twentieth; more would take from others.
pub const LANES_MAX: u8 = 16;

/// So many bytes that a packed payload unpacks to count for one byte of the window, beside those that go over
/// the line: what of a stream comes out of its order waits unpacked, so this bounds it to four windows. And
/// however well contents are packed, four times as many of them are under way as without, so that no long
/// line has to wait for the window.
pub const PACKED_PER_COST: u64 = 4;

/// Bytes of frames that may be under way and not yet taken by the receiver's disk: 80 ms of a 1.6 Gbit/s
/// line, and the bound on the receiver's queue.
pub const WINDOW_BYTES: u64 = 16 << 20;

/// What any data frame costs of the window at least, in bytes, so that tiny frames cannot pile up in
/// millions.
pub const FRAME_COST_MIN: u64 = 4 * 1024;

/// What a data frame costs of the window at most, in bytes.
pub const FRAME_COST_MAX: u64 = FRAME_BYTES_MAX as u64
    + NAMED_BYTES_MAX as u64 / NAMED_PER_COST
    + PAYLOAD_BYTES_MAX as u64 / PACKED_PER_COST;

/// The widest window a sender believes in. Ours is [`WINDOW_BYTES`]; a later version's may grow. Bounds what
/// the sender remembers of the frames under way.
pub const WINDOW_BYTES_MAX: u64 = 256 << 20;

/// Control frames that wait to be sent, or were sent and not yet counted by the other side, in bytes. An
/// honest other side reads on, so the session's own windows keep far below; whoever does not read while it
/// makes us speak is cut off.
pub const CONTROL_BYTES_QUEUED_MAX: usize = 16 << 20;

/// Manifest items without an outcome. The sender walks no further ahead than this; it bounds the memory of
/// both sides whatever the size of the tree. Enough to fill commit groups of a thousand files many times
/// over.
pub const ITEMS_OPEN_MAX: usize = 16 * 1024;

/// Names and link targets of the items without an outcome, in bytes together.
pub const ITEM_BYTES_OPEN_MAX: usize = 4 << 20;

/// What an item counts for beside its names, in bytes.
pub const ITEM_BYTES_OVERHEAD: usize = 32;

/// Directories that may be open (begun and not ended) at once; with [`PATH_BYTES_MAX`] no path is deeper.
pub const DEPTH_MAX: usize = PATH_BYTES_MAX / 2 + 1;

/// Control frames aim at this size, in bytes: about one fragment of the relay.
pub const CONTROL_BYTES_TARGET: usize = 32 * 1024;

/// Elements in one control frame's list.
pub const LIST_MAX: usize = 4 * 1024;

/// Runs of chunks that one file is held in. Honest transfers leave a few; what is more scattered is not
/// claimed but sent again.
pub const RUNS_MAX: usize = 1024;

/// How often the receiver may ask for parts of one file: it compares, then fetches what differs, and a
/// person's answer may come in between.
pub const GETS_MAX: u32 = 8;

/// Frames after which the other side is told how many have come, and bytes of them: so much is kept beyond
/// what is under way.
pub const RECEIVED_FRAMES: u64 = 64;

/// See [`RECEIVED_FRAMES`].
pub const RECEIVED_BYTES: u64 = 1 << 20;

/// How long a frame that came may be left uncounted, in milliseconds.
pub const RECEIVED_MS: u64 = 1000;

/// The longest text of a failure or a cancellation, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;

/// The longest text that is offered to a person in place of files, in bytes: more than anybody reads on a
/// terminal. The receiver holds it in memory.
pub const SHOWN_BYTES_MAX: u64 = 64 * 1024;

/// Idle time after which an end says that it still lives, in milliseconds.
pub const KEEPALIVE_MS: u64 = 15_000;

/// Silence after which a connection is dead, in milliseconds: three keepalives.
pub const DEAD_MS: u64 = 45_000;

/// The slowest that a message may come, in bytes a second, beyond the first [`DEAD_MS`] of it. A line of 33
/// kbit/s, which no telephone modem of the last decades falls short of, brings twice as much on each of
/// sixteen lanes. Keepalives alone bring one or two.
pub const MESSAGE_BYTES_PER_S: u64 = 128;

/// How long the receiver waits for the sender's receipt once everything is committed, in milliseconds.
pub const RECEIPT_MS: u64 = 30_000;
