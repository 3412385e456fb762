//! A batch as a reader would make it, of lines that stand in no file.
use std::path::Path;
use tripline::model::{Batch, Digest, FileId, Frame, FrameFlags, SourceName, Stretch, WallTime};

/// A batch of these lines of the trail `portal`, observed at `observed`; `from` is where they begin in its one file.
pub fn batch(lines: &[String], from: u64, observed: WallTime) -> Batch {
    let mut data = Vec::new();
    let mut frames = Vec::new();
    for line in lines {
        let start = data.len() as u32;
        data.extend_from_slice(line.as_bytes());
        data.push(b'\n');
        let end = data.len() as u32 - 1;
        let flags = FrameFlags::default();
        frames.push(Frame { start, end, from: from + u64::from(start), to: from + u64::from(end) + 1, flags });
    }
    let to = from + data.len() as u64;
    Batch {
        source: SourceName("portal".into()),
        path: Path::new("portal.jsonl").into(),
        stretch: Stretch { file: FileId { device: 1, inode: 1, born_ns: 1, ..FileId::default() }, from, to },
        discontinuity: None,
        observed,
        header: None,
        witness: Digest::of(&data),
        data: data.into(),
        frames,
        size: to,
    }
}
