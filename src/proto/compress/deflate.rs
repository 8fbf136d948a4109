//! Deflate, by the crate `miniz_oxide`: for a peer that has nothing better.

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Packs with deflate.
pub(super) struct Deflater(Box<CompressorOxide>);

/// Unpacks deflate.
pub(super) struct Inflater(Box<DecompressorOxide>);

impl Deflater {
    pub(super) fn new() -> Deflater {
        let mut compressor = Box::new(CompressorOxide::default());
        compressor.set_format_and_level(DataFormat::Raw, LEVEL);
        Deflater(compressor)
    }

    /// Packs into `room`; how much of it is good, or `None` where it does not suffice.
    pub(super) fn pack(&mut self, payload: &[u8], room: &mut [u8]) -> Option<usize> {
        self.0.reset();
        let (status, _, written) = compress(&mut self.0, payload, room, TDEFLFlush::Finish);
        (status == TDEFLStatus::Done).then_some(written)
    }
}

impl Inflater {
    pub(super) fn new() -> Inflater {
        Inflater(Box::default())
    }

    /// Unpacks to `payload`, which is empty, `length` bytes. `None` where that does not work out.
    pub(super) fn unpack(&mut self, packed: &[u8], payload: &mut Vec<u8>, length: usize) -> Option<()> {
        self.0.init();
        payload.resize(length, 0);
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut self.0, packed, payload, 0, flags);
        payload.truncate(written);
        (status == TINFLStatus::Done && read == packed.len()).then_some(())
    }
}

/// Half again as small as level 1 on text, for a sixth more time.
const LEVEL: u8 = 2;
