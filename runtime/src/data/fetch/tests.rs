use super::*;
use crate::durable::faults::{Plan, under};
use crate::random::Stream;
use flate2::{Compression, write::GzEncoder};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// How a server answers one request.
#[derive(Clone, Copy)]
enum Manner {
    /// As it should.
    Good,
    /// With so many bytes of its answer, and then no more.
    CutOff(usize),
    /// With the whole, whatever range it is asked for.
    Rangeless,
    /// With another range than it is asked for, one byte on.
    Astray,
    /// That nothing lies in the range it is asked for.
    Unsatisfied,
    /// With the whole, without saying how much that is.
    Endless,
    /// That it has no such file.
    Missing,
}

use Manner::*;

/// A server on this machine that has one file, and answers a request in each of these manners. Returns its address, and what it was asked
/// for: paths and ranges.
fn serve(bytes: &[u8], manners: &[Manner]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/sets", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, bytes, manners) = (Arc::clone(&asked), bytes.to_vec(), manners.to_vec());
    std::thread::spawn(move || {
        for (stream, manner) in listener.incoming().zip(manners) {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).unwrap();
            let range = head
                .iter()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_string));
            let from: Option<usize> = range.as_ref().map(|range| range.trim_end_matches('-').parse().unwrap());
            seen.lock().unwrap().push(format!("{path} {}", range.unwrap_or_default()));
            let all = bytes.len();
            let partial = |from: usize| {
                let head = format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{all}", all - 1);
                (head, &bytes[from..])
            };
            let (status, body) = match (manner, from) {
                (Missing, _) => ("404 Not Found".to_string(), &[][..]),
                (Unsatisfied, _) => ("416 Range Not Satisfiable".to_string(), &[][..]),
                (Good | CutOff(_), Some(from)) => partial(from),
                (Astray, Some(from)) => partial(from + 1),
                _ => ("200 OK".to_string(), &bytes[..]),
            };
            let length = match manner {
                Endless => String::new(),
                _ => format!("Content-Length: {}\r\n", body.len()),
            };
            let sent = if let CutOff(len) = manner { len.min(body.len()) } else { body.len() };
            stream.write_all(format!("HTTP/1.1 {status}\r\n{length}Connection: close\r\n\r\n").as_bytes()).unwrap();
            // Who has seen enough hangs up.
            let _ = stream.write_all(&body[..sent]);
        }
    });
    (address, asked)
}

/// The files of a small CIFAR-10: two records each, which do not shrink when they are packed.
fn batches() -> Vec<(String, Vec<u8>)> {
    let names = (1..=5).map(|at| format!("data_batch_{at}.bin")).chain(["test_batch.bin".to_string()]);
    let mut random = Stream::new(&[1]);
    let mut record =
        |label: u8| -> Vec<u8> { (0..3073).map(|at| if at == 0 { label } else { random.bits() as u8 }).collect() };
    names.map(|name| (format!("cifar/{name}"), [record(3), record(7)].concat())).collect()
}

fn tar_gz(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // Names that `tar` itself would not write.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A set of that one file, which holds a small CIFAR-10 in the directory `cifar`.
fn known(name: &'static str, bytes: &[u8]) -> Known {
    let files = vec![file(name, bytes.len() as u64, checksum::of_bytes(bytes).leak())].leak();
    let (from, source) = ("http://nobody.invalid/", Source::Cifar10 as fn(String) -> Source);
    Known { name: "it", about: "", form: "", directory: "its", from, files, root: "cifar", source }
}

fn fetch(known: &Known, from: &str, to: &Path) -> Result<Fetched, FetchError> {
    known.fetch(Some(from), to, &mut |_| ())
}

fn refused(known: &Known, from: &str, to: &Path) -> String {
    fetch(known, from, to).unwrap_err().to_string()
}

/// What lies in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn a_set_is_fetched_once_and_leaves_nothing_beside_it() {
    for (name, bytes) in [("it.tar.gz", tar_gz(&batches())), ("it.zip", zip(&batches()))] {
        let to = tempfile::tempdir().unwrap();
        let (known, (address, asked)) = (known(name, &bytes), serve(&bytes, &[Good]));
        let mut seen = Vec::new();
        let fetched = known.fetch(Some(&address), to.path(), &mut |received| seen.push(received)).unwrap();
        assert_eq!(fetched, Fetched { directory: to.path().join("its"), was_there: false });
        let total = bytes.len() as u64;
        assert_eq!(seen[0], Received { file: name, bytes: 0, total });
        assert!(seen.is_sorted_by_key(|received| received.bytes) && seen.last().unwrap().bytes == total);
        for (name, bytes) in batches() {
            assert!(fs::read(to.path().join(name.replace("cifar", "its"))).unwrap() == bytes, "{name}");
        }
        assert_eq!(names(to.path()), ["its"]);
        // The server would answer no second request.
        assert_eq!(fetch(&known, &address, to.path()).unwrap(), Fetched { was_there: true, ..fetched });
        assert_eq!(asked.lock().unwrap()[..], [format!("/sets/{name} ")]);
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let (to, bytes) = (tempfile::tempdir().unwrap(), tar_gz(&batches()));
    let known = known("it.tar.gz", &bytes);
    let (address, asked) = serve(&bytes, &[CutOff(5000), CutOff(2000), Good]);
    for there in [5000, 7000] {
        let text = refused(&known, &address, to.path());
        assert!(text.contains(&format!("broke off after {there} of {} bytes", bytes.len())), "{text}");
        assert!(text.contains("help: say the same again"), "{text}");
        assert_eq!(fs::metadata(to.path().join("its.part/it.tar.gz.part")).unwrap().len(), there);
        assert_eq!(names(to.path()), ["its.part"]);
    }
    fetch(&known, &address, to.path()).unwrap();
    assert_eq!(asked.lock().unwrap()[..], ["/sets/it.tar.gz ", "/sets/it.tar.gz 5000-", "/sets/it.tar.gz 7000-"]);
    assert_eq!(names(to.path()), ["its"]);
}

#[test]
fn where_a_server_cannot_go_on_the_whole_is_taken() {
    let bytes = tar_gz(&batches());
    let longer = [&bytes[..], b"more"].concat();
    // What is there, how the server answers, and the ranges it is asked for.
    for (there, manners, ranges) in [
        (&bytes[..5000], &[Rangeless][..], &["5000-"][..]),
        (&bytes[..5000], &[Astray, Good], &["5000-", ""]),
        (&bytes[..5000], &[Unsatisfied, Good], &["5000-", ""]),
        (&longer[..], &[Good], &[""]),
        // It was all there.
        (&bytes[..], &[], &[]),
    ] {
        let to = tempfile::tempdir().unwrap();
        fs::create_dir(to.path().join("its.part")).unwrap();
        fs::write(to.path().join("its.part/it.tar.gz.part"), there).unwrap();
        let (address, asked) = serve(&bytes, manners);
        fetch(&known("it.tar.gz", &bytes), &address, to.path()).unwrap();
        let expected: Vec<String> = ranges.iter().map(|range| format!("/sets/it.tar.gz {range}")).collect();
        assert_eq!(asked.lock().unwrap()[..], expected);
    }
}

#[test]
fn what_is_not_the_published_file_is_refused_and_not_kept() {
    let bytes = tar_gz(&batches());
    let known = known("it.tar.gz", &bytes);
    let (mut other, longer) = (bytes.clone(), [&bytes[..], b"more"].concat());
    other[5000] ^= 1;
    let sums = format!("expected the SHA-256 {}, found {}", checksum::of_bytes(&bytes), checksum::of_bytes(&other));
    let of = |found: &str| format!("expected a file of {} bytes, found {found}", bytes.len());
    for (served, manner, words) in [
        (&other[..], Good, &sums),
        (&other, Endless, &sums),
        (b"<html>pay here</html>", Good, &of("21")),
        (&longer, Endless, &of("more")),
    ] {
        let to = tempfile::tempdir().unwrap();
        let (address, _) = serve(served, &[manner]);
        let text = refused(&known, &address, to.path());
        assert!(text.contains(words) && text.contains("help: "), "{text}");
        // Nothing that a later attempt would go on with to the same end.
        let (address, _) = serve(&bytes, &[Good]);
        fetch(&known, &address, to.path()).unwrap();
    }
    // A beginning of another file comes to light in the end, and goes.
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("its.part")).unwrap();
    fs::write(to.path().join("its.part/it.tar.gz.part"), &other[..6000]).unwrap();
    let (address, _) = serve(&bytes, &[Good]);
    let text = refused(&known, &address, to.path());
    assert!(text.contains(&sums) && text.ends_with("it has been removed"), "{text}");
    assert!(names(to.path()).is_empty());
}

#[test]
fn where_nothing_can_be_had_the_words_say_what_was_tried_and_how_to_go_on() {
    let (to, bytes) = (tempfile::tempdir().unwrap(), tar_gz(&batches()));
    let known = known("it.tar.gz", &bytes);
    let (address, _) = serve(&bytes, &[Missing]);
    // A port that was free a moment ago.
    let nobody = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for (from, words) in [
        (&address, "/sets/it.tar.gz: expected the file, the server answers 404 Not Found"),
        (&nobody, "/it.tar.gz: cannot be reached: "),
    ] {
        let text = refused(&known, from, to.path());
        assert!(text.contains(words), "{text}");
        let by_hand =
            "bring it.tar.gz from http://nobody.invalid/ in a directory, and say `rnet data fetch it --from DIR`";
        assert!(text.contains(by_hand), "{text}");
        assert!(names(to.path()).is_empty());
    }
    let text = refused(&known, "ftp://somewhere", to.path());
    assert!(text.contains("--from ftp://somewhere: expected a directory, or an address"), "{text}");
}

#[test]
fn files_of_a_directory_are_used_and_left_alone() {
    let (from, bytes) = (tempfile::tempdir().unwrap(), tar_gz(&batches()));
    let (known, directory) = (known("it.tar.gz", &bytes), from.path().display().to_string());
    let to = from.path().join("data");
    let text = refused(&known, &directory, &to);
    assert!(text.contains("it.tar.gz: is not there") && text.contains("still packed"), "{text}");
    let packed = from.path().join("it.tar.gz");
    fs::write(&packed, b"something else").unwrap();
    let text = refused(&known, &directory, &to);
    assert!(text.contains("expected the SHA-256") && text.ends_with("it is not used"), "{text}");
    assert!(packed.exists() && names(&to).is_empty());
    fs::write(&packed, &bytes).unwrap();
    fetch(&known, &directory, &to).unwrap();
    assert!(fs::read(&packed).unwrap() == bytes);
    assert_eq!(names(&to), ["its"]);
}

#[test]
fn single_files_are_unpacked_side_by_side() {
    let from = tempfile::tempdir().unwrap();
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2][..], &[9; 4]].concat();
    let files =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let published = files.map(|name| {
        let bytes = gzip(if name.contains("images") { &images } else { &[0, 0, 8, 1, 0, 0, 0, 1, 7] });
        let name = format!("{name}.gz");
        fs::write(from.path().join(&name), &bytes).unwrap();
        file(name.leak(), bytes.len() as u64, checksum::of_bytes(&bytes).leak())
    });
    let known =
        Known { files: Box::leak(Box::new(published)), root: "", source: Source::Mnist, ..known("it.zip", b"") };
    let to = tempfile::tempdir().unwrap();
    let fetched = fetch(&known, &from.path().display().to_string(), to.path()).unwrap();
    let mut expected = files;
    expected.sort();
    assert_eq!(names(&fetched.directory), expected);
    assert!(fs::read(fetched.directory.join(files[2])).unwrap() == images);
}

#[test]
fn an_archive_reaches_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("absolute").display().to_string();
    for name in ["../../../escaped", "cifar/../../escaped", &absolute] {
        let files = [batches(), vec![(name.to_string(), b"bad".to_vec())]].concat();
        for (packed, bytes) in [("it.tar.gz", tar_gz(&files)), ("it.zip", zip(&files))] {
            let to = outside.path().join("a/b");
            let (address, _) = serve(&bytes, &[Good]);
            let text = refused(&known(packed, &bytes), &address, &to);
            assert!(text.contains(&format!("the name `{name}` leads out of it")), "{text}");
            assert_eq!((names(outside.path()), names(&to)), (vec!["a".to_string()], vec!["its.part".to_string()]));
            fs::remove_dir_all(outside.path().join("a")).unwrap();
        }
    }
    // Links are left out, so that nothing is written through one.
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "cifar/data_batch_1.bin", outside.path().join("elsewhere")).unwrap();
    for (name, bytes) in batches() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    let bytes = archive.into_inner().unwrap().finish().unwrap();
    let (address, _) = serve(&bytes, &[Good]);
    let fetched = fetch(&known("it.tar.gz", &bytes), &address, outside.path()).unwrap();
    assert!(fetched.directory.join("data_batch_1.bin").symlink_metadata().unwrap().is_file());
    assert_eq!(names(outside.path()), ["its"]);
}

#[test]
fn what_an_archive_lacks_is_noticed_before_it_gets_its_name() {
    let to = tempfile::tempdir().unwrap();
    let bytes = tar_gz(&batches()[1..]);
    let (address, _) = serve(&bytes, &[Good]);
    let text = refused(&known("it.tar.gz", &bytes), &address, to.path());
    assert!(text.contains("it.tar.gz: cannot be unpacked: ") && text.contains("data_batch_1.bin"), "{text}");
    assert_eq!(names(to.path()), ["its.part"]);
}

#[test]
fn something_else_in_its_place_is_left_alone() {
    let (to, bytes) = (tempfile::tempdir().unwrap(), tar_gz(&batches()));
    fs::create_dir(to.path().join("its")).unwrap();
    let text = refused(&known("it.tar.gz", &bytes), "http://nobody.invalid", to.path());
    assert!(text.contains("its is there, but is not it: ") && text.contains("data_batch_1.bin"), "{text}");
    assert_eq!(names(to.path()), ["its"]);
}

#[test]
fn two_at_once_do_not_get_into_each_others_way() {
    let (to, bytes) = (tempfile::tempdir().unwrap(), tar_gz(&batches()));
    let place = to.path().join("its.part");
    fs::create_dir(&place).unwrap();
    let other = lock(&place).unwrap();
    let (address, _) = serve(&bytes, &[Good]);
    let text = refused(&known("it.tar.gz", &bytes), &address, to.path());
    assert!(text.contains("another process is working in it"), "{text}");
    drop(other);
    fetch(&known("it.tar.gz", &bytes), &address, to.path()).unwrap();
}

#[test]
fn whatever_the_system_refuses_the_next_attempt_ends_well() {
    let bytes = tar_gz(&batches());
    let known = known("it.tar.gz", &bytes);
    let whole = |to: &Path| Dataset::read(&known.source(&to.join("its"))).map(|data| data.train.len());
    let to = tempfile::tempdir().unwrap();
    let (address, _) = serve(&bytes, &[Good]);
    let (outcome, steps) = under(None, || fetch(&known, &address, to.path()));
    outcome.unwrap();
    assert!(steps.len() > 20, "{steps:?}");
    for (first, step) in steps.iter().enumerate() {
        for forever in [false, true] {
            let to = tempfile::tempdir().unwrap();
            let (address, _) = serve(&bytes, &[Good, Good]);
            let (outcome, _) =
                under(Some(Plan { first, forever, code: libc::ENOSPC }), || fetch(&known, &address, to.path()));
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("No space left on device") && text.contains("make room"), "{text}");
            // The name is that of a whole set, or nothing's.
            assert!(!to.path().join("its").exists() || whole(to.path()).unwrap() == 10, "{step:?}");
            fetch(&known, &address, to.path()).unwrap();
            assert_eq!(whole(to.path()).unwrap(), 10);
        }
    }
}

#[test]
fn the_list_is_of_the_right_form() {
    for known in &KNOWN {
        assert!(known.from.starts_with("http") && known.from.ends_with('/'), "{}", known.from);
        for file in known.files {
            assert!(
                file.sha256.len() == 64 && file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{}",
                file.name
            );
            assert!([".tar.gz", ".zip", ".gz"].iter().any(|ending| file.name.ends_with(ending)), "{}", file.name);
        }
    }
}
