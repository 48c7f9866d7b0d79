//! Downloads over HTTP that go on where they broke off.

use super::{FetchError, Known, Published, Received};
use crate::durable::{Step, attempt};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderMap, header};

/// How long a server may let one wait, for a connection as for the next bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Downloads a file into `part`, behind what is there of it. A server that cannot go on within a file sends it anew. Whether the bytes are
/// the right ones is for the caller to see.
pub(super) fn download(
    url: &str,
    part: &Path,
    file: &Published,
    known: &Known,
    watch: &mut dyn FnMut(Received),
) -> Result<(), FetchError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let total = file.bytes;
    let mut bytes = fs::metadata(part).map_or(0, |metadata| metadata.len());
    // What is longer than it can be is not a beginning.
    if bytes > total {
        bytes = 0;
    }
    let (mut response, mut target) = loop {
        if bytes == total {
            return Ok(());
        }
        let mut request = agent.get(url);
        if bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={bytes}-"));
        }
        let response = request.call().map_err(|error| FetchError::Unreachable {
            url: url.to_string(),
            reason: reason(error),
            by_hand: known.by_hand(),
        })?;
        let headers = response.headers();
        let found = match response.status().as_u16() {
            200 => {
                bytes = 0;
                number(headers, header::CONTENT_LENGTH)
            }
            206 if bytes > 0 && starts_at(headers) == Some(bytes) => length(headers),
            // A server that has nothing behind what is there, or something else, is asked for the whole.
            206 | 416 if bytes > 0 => {
                bytes = 0;
                continue;
            }
            _ => {
                let (status, by_hand) = (response.status().to_string(), known.by_hand());
                return Err(FetchError::Status { url: url.to_string(), status, by_hand });
            }
        };
        if let Some(found) = found.filter(|&found| found != total) {
            return Err(FetchError::Length { url: url.to_string(), expected: total, found: found.to_string() });
        }
        let target = attempt(part, Step::Create, || match bytes {
            0 => File::create(part),
            _ => OpenOptions::new().append(true).open(part),
        })?;
        break (response, target);
    };
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        watch(Received { file: file.name, bytes, total });
        let broken = |reason: String| FetchError::Broken { url: url.to_string(), bytes, total, reason };
        match body.read(&mut buffer) {
            Ok(0) if bytes < total => return Err(broken("the server sends no more".to_string())),
            Ok(0) => break,
            Ok(len) if bytes + len as u64 > total => {
                return Err(FetchError::Length { url: url.to_string(), expected: total, found: "more".to_string() });
            }
            Ok(len) => {
                attempt(part, Step::Write, || target.write_all(&buffer[..len]))?;
                bytes += len as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(reason(ureq::Error::from(error)))),
        }
    }
    Ok(attempt(part, Step::Sync, || target.sync_all())?)
}

/// What went wrong, in words of the system's where it has some.
fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("there was no answer for {} s", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "nobody knows that host".to_string(),
        other => other.to_string(),
    }
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// The byte that a partial answer starts at, by its `Content-Range: bytes 5-9/10`.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The length of the file that a partial answer is of, if it is known.
fn length(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit('/').next()?.parse().ok()
}
