//! Checkpoints: everything that training needs to go on, to the bit.
//!
//! A checkpoint is a safetensors file with all state tensors and, written after it, a manifest that carries its length and
//! SHA-256 and the position in the run. Random numbers and the order of the data are functions of seed and step, so the step
//! is all there is to know of them. A checkpoint counts only if its manifest does and the file agrees with it.

use crate::checksum;
use crate::durable::{self, TEMPORARY, WriteError};
use crate::metrics::Meter;
use crate::state::State;
use crate::stopping::Stall;
use crate::tensors;
use crate::weights::{self, Extent, MisfitError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The version of the manifest.
const FORMAT: u32 = 2;

/// Where a run is.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// What was added up since the last line of `metrics.jsonl`.
    pub meter: Meter,
    /// The best test so far, by the metric that [`crate::stopping::Stopping::metric`] names, and the step after which it was made.
    pub best: Option<(f64, u64)>,
    /// How long it is since a test was better than all before; a run with early stopping counts.
    #[serde(default)]
    pub stall: Stall,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    seed: u64,
    position: Position,
    file: String,
    bytes: u64,
    sha256: String,
}

/// A manifest as it is on disk: its own text can be damaged too.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: String,
    sha256: String,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// There is no checkpoint, or none that is whole.
    #[error("{}: there is no whole checkpoint{}", directory.display(), damaged(damage))]
    None {
        /// Where checkpoints were looked for.
        directory: PathBuf,
        /// What is wrong with those that are there.
        damage: Vec<String>,
    },
    /// The checkpoint belongs to another model or another seed.
    #[error(
        "{}: {reason}\n  help: this checkpoint was not written by the model and the seed that `model.rnet` in the run directory \
         now names; `rnet diff` tells two models apart",
        path.display()
    )]
    Other {
        /// The checkpoint.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// The system refuses.
    #[error("{}: cannot be read: {source}", path.display())]
    System {
        /// What cannot be read.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn damaged(damage: &[String]) -> String {
    damage.iter().map(|line| format!("\n  {line}")).collect()
}

/// One checkpoint of a run, as somebody would look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Steps done.
    pub step: u64,
    /// Length of its tensors' file.
    pub bytes: u64,
    /// Whether the newest whole checkpoint knows it as the best.
    pub is_best: bool,
    /// What is wrong with it, if it is not whole.
    pub damage: Option<String>,
}

/// All checkpoints in a directory, the oldest first. Each is read, and held against its checksums.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<Listed>> {
    let checkpoints = Checkpoints { directory: directory.to_path_buf(), keep: 1, seed: 0 };
    let (mut listed, mut best) = (Vec::new(), None);
    for step in checkpoints.steps()? {
        let path = checkpoints.manifest(step);
        let read = checkpoints.read(&path);
        if let (Ok((manifest, _)), None) = (&read, best) {
            best = Some(manifest.position.best.map(|(_, step)| step));
        }
        let bytes = fs::metadata(path.with_extension("safetensors")).map_or(0, |metadata| metadata.len());
        listed.push(Listed { step, bytes, is_best: false, damage: read.err() });
    }
    listed.iter_mut().for_each(|row| row.is_best = best.flatten() == Some(row.step));
    listed.reverse();
    Ok(listed)
}

/// The checkpoints of one run.
pub struct Checkpoints {
    directory: PathBuf,
    /// How many of the newest are kept, beside the best.
    keep: usize,
    seed: u64,
}

impl Checkpoints {
    /// The checkpoints in a directory, which is created where it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(directory: &Path, keep: usize, seed: u64) -> Result<Checkpoints, WriteError> {
        durable::make_directory(directory)?;
        Ok(Checkpoints { directory: directory.to_path_buf(), keep: keep.max(1), seed })
    }

    fn manifest(&self, step: u64) -> PathBuf {
        self.directory.join(format!("step-{step:012}.json"))
    }

    /// Writes a checkpoint, then removes those that are neither among the newest nor the best.
    ///
    /// # Errors
    /// When the system refuses; the checkpoints before are untouched.
    pub fn write(&self, state: &State, position: &Position) -> Result<(), WriteError> {
        let file = format!("step-{:012}.safetensors", position.step);
        let bytes = tensors::serialize(&weights::tensors(state, Extent::All));
        durable::write(&self.directory.join(&file), &bytes)?;
        let manifest = Manifest {
            format: FORMAT,
            seed: self.seed,
            position: *position,
            file,
            bytes: bytes.len() as u64,
            sha256: checksum::of_bytes(&bytes),
        };
        let manifest = json(&manifest);
        let sealed = Sealed { sha256: checksum::of_bytes(manifest.as_bytes()), manifest };
        durable::write(&self.manifest(position.step), json(&sealed).as_bytes())?;
        self.sweep(position);
        Ok(())
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The step of the newest, whole or not.
    pub fn newest(&self) -> Option<u64> {
        self.steps().ok()?.first().copied()
    }

    /// The steps of all manifests, newest first.
    fn steps(&self) -> io::Result<Vec<u64>> {
        let mut steps: Vec<u64> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let step: Option<u64> =
                name.to_str().and_then(|name| name.strip_prefix("step-")?.strip_suffix(".json")?.parse().ok());
            steps.extend(step);
        }
        steps.sort_unstable_by(|a, b| b.cmp(a));
        Ok(steps)
    }

    /// Removes old checkpoints, manifest first, and what killed runs left behind.
    fn sweep(&self, position: &Position) {
        let Ok(steps) = self.steps() else { return };
        let kept = |step: u64| {
            steps.iter().take(self.keep).any(|&newest| newest == step)
                || position.best.is_some_and(|(_, best)| best == step)
        };
        for &step in steps.iter().filter(|&&step| !kept(step)) {
            durable::remove(&self.manifest(step));
        }
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_temporary = path.to_string_lossy().ends_with(TEMPORARY);
            let is_orphan =
                path.extension().is_some_and(|end| end == "safetensors") && !path.with_extension("json").exists();
            if is_temporary || is_orphan {
                durable::remove(&path);
            }
        }
    }

    /// Fills the state from the newest whole checkpoint and returns where the run is, and what was wrong with newer ones.
    ///
    /// # Errors
    /// When there is none, or it belongs to something else; the state is then unchanged.
    pub fn resume(&self, state: &mut State) -> Result<(Position, Vec<String>), ResumeError> {
        let system = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ResumeError::System { path, source }
        };
        let mut damage = Vec::new();
        for step in self.steps().map_err(system(&self.directory))? {
            let path = self.manifest(step);
            match self.read(&path) {
                Ok((manifest, _)) if manifest.seed != self.seed => {
                    let reason = format!("the run's seed is {}, not {}", manifest.seed, self.seed);
                    return Err(ResumeError::Other { path, reason });
                }
                Ok((manifest, tensors)) => {
                    weights::load(state, &tensors, Extent::All).map_err(|error: MisfitError| ResumeError::Other {
                        path: self.directory.join(&manifest.file),
                        reason: error.to_string(),
                    })?;
                    return Ok((manifest.position, damage));
                }
                Err(reason) => damage.push(format!("{}: {reason}", path.display())),
            }
        }
        Err(ResumeError::None { directory: self.directory.clone(), damage })
    }

    fn read(&self, path: &Path) -> Result<(Manifest, tensors::Tensors), String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let sealed: Sealed = serde_json::from_str(&text).map_err(|error| format!("no manifest: {error}"))?;
        if checksum::of_bytes(sealed.manifest.as_bytes()) != sealed.sha256 {
            return Err("the manifest's checksum is wrong".to_string());
        }
        let manifest: Manifest = serde_json::from_str(&sealed.manifest).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("it has format {}, this version reads {FORMAT}", manifest.format));
        }
        let file = self.directory.join(&manifest.file);
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if bytes.len() as u64 != manifest.bytes || checksum::of_bytes(&bytes) != manifest.sha256 {
            return Err(format!("{}: length or checksum is wrong", file.display()));
        }
        let tensors = tensors::parse(&file, &bytes).map_err(|error| error.to_string())?;
        Ok((manifest, tensors))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("checkpoint: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Init, StateKind, StateSpec};

    fn state(seed: u64, dims: &[usize]) -> State {
        let layout = (0..dims.len()).collect();
        let kind = StateKind::Parameter;
        State::new(
            &[StateSpec { kind, name: "w".to_string(), dims: dims.to_vec(), layout, init: Init::Normal(1.0) }],
            seed,
        )
    }

    fn at(step: u64, best: Option<(f64, u64)>) -> Position {
        let stall = Stall { best: Some(0.1 + 0.7), tests: 3 };
        Position { step, meter: Meter { loss: 0.1 + 0.2, correct: 3.0, images: 7 }, best, stall }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    /// A sum that comes back different in its last place makes another line of the metrics, and another best.
    #[test]
    fn positions_come_back_to_the_bit() {
        let mut sum = 0.0;
        for step in 0..20_000 {
            sum += 1.0 / f64::from(step + 3);
            let meter = Meter { loss: sum, correct: sum.sqrt(), images: 7 };
            let stall = Stall { best: Some(sum.ln()), tests: 1 };
            let position = Position { step: 1, meter, best: Some((sum.sin(), 2)), stall };
            let read: Position = serde_json::from_str(&json(&position)).unwrap();
            assert_eq!(read, position);
        }
    }

    #[test]
    fn the_newest_and_the_best_are_kept_and_orphans_go() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(directory.path(), 2, 1).unwrap();
        fs::write(directory.path().join("step-000000000009.safetensors"), b"orphan").unwrap();
        fs::write(directory.path().join("step-000000000009.json.part"), b"torn").unwrap();
        for step in 1..=5 {
            checkpoints.write(&state(step, &[3]), &at(step, Some((0.5, step.min(2))))).unwrap();
        }
        let expected: Vec<String> = [2, 4, 5]
            .iter()
            .flat_map(|step| ["json", "safetensors"].map(|end| format!("step-{step:012}.{end}")))
            .collect();
        assert_eq!(names(directory.path()), expected);
        let mut resumed = state(0, &[3]);
        let (position, damage) = checkpoints.resume(&mut resumed).unwrap();
        assert_eq!((position, damage.len()), (at(5, Some((0.5, 2))), 0));
        assert_eq!(resumed.physical(0), state(5, &[3]).physical(0));
    }

    /// Whatever single thing is damaged, the one before is found, and the damage is told.
    #[test]
    fn a_damaged_checkpoint_is_passed_over() {
        for file in ["step-000000000002.json", "step-000000000002.safetensors"] {
            let directory = tempfile::tempdir().unwrap();
            let checkpoints = Checkpoints::open(directory.path(), 2, 1).unwrap();
            (1..=2).for_each(|step| checkpoints.write(&state(step, &[3]), &at(step, None)).unwrap());
            let path = directory.path().join(file);
            let whole = fs::read(&path).unwrap();
            for place in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[place] ^= 1;
                for bytes in [&bytes[..], &whole[..place]] {
                    fs::write(&path, bytes).unwrap();
                    let mut resumed = state(0, &[3]);
                    let (position, damage) = checkpoints.resume(&mut resumed).unwrap();
                    assert_eq!((position.step, damage.len()), (1, 1), "{file} at {place}");
                }
            }
            fs::remove_file(&path).unwrap();
            assert_eq!(checkpoints.resume(&mut state(0, &[3])).unwrap().0.step, 1);
        }
    }

    /// A disk that is full, broken or read-only at any single step, for once or from then on: the checkpoint before still
    /// loads, or the new one does, whole; and the first write that succeeds again leaves nothing behind.
    #[cfg(unix)]
    #[test]
    fn no_refusal_costs_a_checkpoint() {
        use crate::durable::Step;
        use crate::durable::faults::{self, Plan};
        const REASONS: [(i32, &str); 3] =
            [(28, "No space left"), (5, "Input/output error"), (30, "Read-only file system")];
        let begin = |directory: &Path| {
            let checkpoints = Checkpoints::open(directory, 1, 1).unwrap();
            checkpoints.write(&state(1, &[3]), &at(1, None)).unwrap();
            checkpoints
        };
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = begin(directory.path());
        let (outcome, steps) = faults::under(None, || checkpoints.write(&state(2, &[3]), &at(2, None)));
        outcome.unwrap();
        let file = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory];
        assert_eq!(steps, [&file[..], &file, &[Step::Remove; 2]].concat(), "two files, and the two of the one before");
        for (first, forever) in (0..steps.len()).flat_map(|first| [(first, false), (first, true)]) {
            for (code, words) in REASONS {
                let directory = tempfile::tempdir().unwrap();
                let checkpoints = begin(directory.path());
                let plan = Some(Plan { first, forever, code });
                let (outcome, _) = faults::under(plan, || checkpoints.write(&state(2, &[3]), &at(2, None)));
                let case = format!("{:?}, number {first}, forever {forever}: {words}", steps[first]);
                match outcome {
                    Err(error) => {
                        assert_eq!(error.step, steps[first], "{case}");
                        let told = error.to_string();
                        assert!(told.contains("step-000000000002.") && told.contains(words), "{case}: {told}");
                    }
                    Ok(()) => assert_eq!(steps[first], Step::Remove, "{case}"),
                }
                // As a process that is started again finds it.
                let mut resumed = state(0, &[3]);
                let (position, damage) =
                    Checkpoints::open(directory.path(), 1, 1).unwrap().resume(&mut resumed).unwrap();
                // Once the manifest has its name, the new one counts.
                let expected = if first < 9 { 1 } else { 2 };
                assert_eq!((position.step, damage.len()), (expected, 0), "{case}");
                assert_eq!(resumed.physical(0), state(expected, &[3]).physical(0), "{case}");
                checkpoints.write(&state(3, &[3]), &at(3, None)).unwrap();
                assert_eq!(
                    names(directory.path()),
                    ["step-000000000003.json", "step-000000000003.safetensors"],
                    "{case}"
                );
            }
        }
    }

    #[test]
    fn checkpoints_are_listed_with_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        assert!(list(&directory.path().join("none")).is_err());
        let checkpoints = Checkpoints::open(directory.path(), 3, 1).unwrap();
        (1..=3).for_each(|step| checkpoints.write(&state(step, &[3]), &at(step, Some((0.5, 2)))).unwrap());
        let path = directory.path().join("step-000000000003.safetensors");
        fs::write(&path, b"torn").unwrap();
        let rows = list(directory.path()).unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.step, row.is_best, row.damage.is_some())).collect();
        assert_eq!(told, [(1, false, false), (2, true, false), (3, false, true)]);
        assert_eq!(rows[2].bytes, 4);
        assert!(rows[2].damage.as_ref().unwrap().contains("length or checksum is wrong"));
    }

    #[test]
    fn another_run_s_checkpoint_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(directory.path(), 2, 1).unwrap();
        let none = checkpoints.resume(&mut state(0, &[3])).unwrap_err().to_string();
        assert!(none.contains("there is no whole checkpoint"), "{none}");
        checkpoints.write(&state(1, &[3]), &at(1, None)).unwrap();
        let shape = checkpoints.resume(&mut state(0, &[4])).unwrap_err().to_string();
        assert!(shape.contains("`w` has extents [3], the model's has [4]"), "{shape}");
        let other = Checkpoints::open(directory.path(), 2, 2).unwrap();
        let seed = other.resume(&mut state(0, &[3])).unwrap_err().to_string();
        assert!(seed.contains("the run's seed is 1, not 2"), "{seed}");
    }
}
