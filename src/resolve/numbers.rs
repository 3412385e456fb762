//! Distinct numbers of any count, in bounded memory: sorted runs on disk, merged.
use super::{NUMBERS, ResolveError, failed};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many bytes of different numbers are kept in memory at a time.
const RUN_BYTES: usize = 64 << 20;

/// Sorts the lines of every file in `dir` that holds numbers into `sorted`, each line once; says how many.
pub(super) fn sort(dir: &Path, sorted: &Path) -> Result<u64, ResolveError> {
    sort_in(dir, sorted, RUN_BYTES)
}

fn sort_in(dir: &Path, sorted: &Path, run_bytes: usize) -> Result<u64, ResolveError> {
    let mut inputs: Vec<PathBuf> =
        fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()).map_err(failed(dir))?;
    inputs.retain(|path| path.to_string_lossy().ends_with(NUMBERS));
    let (mut runs, mut set, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for input in &inputs {
        let mut lines = BufReader::new(File::open(input).map_err(failed(input))?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(failed(input))? > 0 {
            if set.insert(line.clone()) {
                bytes += line.len() + 48;
            }
            line.clear();
            if bytes >= run_bytes {
                runs.push(write(&dir.join(format!(".run-{}", runs.len())), &set)?);
                (set, bytes) = (BTreeSet::new(), 0);
            }
        }
    }
    if runs.is_empty() {
        write(sorted, &set)?;
        return Ok(set.len() as u64);
    }
    runs.push(write(&dir.join(format!(".run-{}", runs.len())), &set)?);
    drop(set);
    let count = merge(&runs, sorted)?;
    for run in runs {
        fs::remove_file(&run).map_err(failed(&run))?;
    }
    Ok(count)
}

fn write(path: &Path, set: &BTreeSet<Vec<u8>>) -> Result<PathBuf, ResolveError> {
    let mut out = BufWriter::new(File::create(path).map_err(failed(path))?);
    set.iter().try_for_each(|line| out.write_all(line)).and_then(|()| out.flush()).map_err(failed(path))?;
    Ok(path.to_owned())
}

fn merge(runs: &[PathBuf], sorted: &Path) -> Result<u64, ResolveError> {
    let mut readers = Vec::new();
    for run in runs {
        readers.push(BufReader::new(File::open(run).map_err(failed(run))?));
    }
    let mut next = |n: usize| -> Result<Option<(Vec<u8>, usize)>, ResolveError> {
        let mut line = Vec::new();
        let read = readers[n].read_until(b'\n', &mut line).map_err(failed(&runs[n]))?;
        Ok((read > 0).then_some((line, n)))
    };
    let mut heap = BinaryHeap::new();
    for n in 0..runs.len() {
        heap.extend(next(n)?.map(Reverse));
    }
    let mut out = BufWriter::new(File::create(sorted).map_err(failed(sorted))?);
    let (mut last, mut count) = (None, 0);
    while let Some(Reverse((line, n))) = heap.pop() {
        if last.as_ref() != Some(&line) {
            out.write_all(&line).map_err(failed(sorted))?;
            count += 1;
            last = Some(line);
        }
        heap.extend(next(n)?.map(Reverse));
    }
    out.flush().map_err(failed(sorted))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_do_not_fit_into_memory_come_to_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let number = |n: u64| format!("+49{}\n", n.wrapping_mul(2_654_435_761) % 5000);
        let lines = |from: u64| (from..from + 20_000).map(number).collect::<String>();
        for (n, from) in [0, 7_000, 14_000].into_iter().enumerate() {
            fs::write(dir.path().join(format!("{n}.{NUMBERS}")), lines(from)).unwrap();
        }
        let whole = sort_in(dir.path(), &dir.path().join("whole"), usize::MAX).unwrap();
        let runs = sort_in(dir.path(), &dir.path().join("runs"), 1 << 14).unwrap();
        assert_eq!(whole, runs);
        let read = |name| fs::read(dir.path().join(name)).unwrap();
        assert_eq!(read("whole"), read("runs"));
        let distinct: BTreeSet<String> = (0..34_000).map(number).collect();
        assert_eq!(read("whole"), distinct.into_iter().collect::<String>().into_bytes());
    }
}
