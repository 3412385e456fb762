//! Compressed files, read forward: gzip (RFC 1952) and Zstandard (RFC 8878), of one part or many.
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How much memory a Zstandard frame may ask for, in bytes: what `zstd` itself grants without `--long`.
const WINDOW: u64 = 128 << 20;

impl Compression {
    /// As the name says: `.gz`, `.zst`.
    pub fn of(path: &Path) -> Option<Compression> {
        Compression::stripped(path.as_os_str().as_bytes()).map(|(_, how)| how)
    }

    /// The name without its ending, and what that says.
    pub fn stripped(name: &[u8]) -> Option<(&[u8], Compression)> {
        let ends = |end: &[u8], how| name.strip_suffix(end).map(|stem| (stem, how));
        ends(b".gz", Compression::Gzip).or_else(|| ends(b".zst", Compression::Zstd))
    }

    /// The decompressed bytes of `from`.
    pub fn reader<R: Read>(self, from: R) -> Decoder<R> {
        let from = BufReader::with_capacity(1 << 16, from);
        match self {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(from))),
            Compression::Zstd => Decoder::Zstd(Box::new(Frames { from, frame: None })),
        }
    }
}

/// The bytes of `from`, a file of that name, as they were before it was compressed.
pub fn plain<'a>(path: &Path, from: impl Read + 'a) -> Box<dyn Read + 'a> {
    match Compression::of(path) {
        Some(how) => Box::new(how.reader(from)),
        None => Box::new(from),
    }
}

/// Decompresses.
pub enum Decoder<R: Read> {
    /// gzip.
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    /// Zstandard.
    Zstd(Box<Frames<R>>),
}

impl<R: Read> Decoder<R> {
    /// What is decompressed.
    pub fn get_ref(&self) -> &R {
        match self {
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref(),
            Decoder::Zstd(frames) => frames.from.get_ref(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Gzip(decoder) => decoder.read(into),
            Decoder::Zstd(frames) => frames.read(into),
        }
    }
}

/// Zstandard frames, one after another.
pub struct Frames<R: Read> {
    from: BufReader<R>,
    /// The frame that is being read.
    frame: Option<FrameDecoder>,
}

impl<R: Read> Frames<R> {
    /// Begins the next frame; whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        // ends with the file: each turn takes a header from it
        loop {
            if self.from.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut frame = self.frame.take().unwrap_or_default();
            frame.set_max_window_size(WINDOW);
            match frame.reset(&mut self.from) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.from).take(length.into()), &mut io::sink())?;
                }
                Err(e) => return Err(io::Error::other(e)),
            }
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        // ends: each turn decodes a block, or begins a frame, or finds the end
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(into)?;
                if count > 0 {
                    return Ok(count);
                }
                if !frame.is_finished() {
                    frame
                        .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBlocks(1))
                        .map_err(io::Error::other)?;
                    continue;
                }
            }
            if !self.begin()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_frames_and_what_is_to_be_skipped_are_one_text() {
        let frame = |text: &str| {
            ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
        };
        let long: String = (0..200_000).map(|n| format!("line {n}\n")).collect();
        // RFC 8878, 3.1.2: a skippable frame
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let file = [frame(&long), skipped, frame("last\n")].concat();
        let mut text = String::new();
        plain(Path::new("log.zst"), &file[..]).read_to_string(&mut text).expect("it is whole");
        assert_eq!(text.len(), long.len() + 5);
        assert!(text == long + "last\n");
        let cut = &file[..file.len() / 2];
        assert!(plain(Path::new("log.zst"), cut).read_to_end(&mut Vec::new()).is_err(), "a cut is an error");
        assert_eq!(Compression::of(Path::new("log.1.gz")), Some(Compression::Gzip));
        assert_eq!(Compression::of(Path::new("log.1")), None);
    }
}
