//! SHA-256 checksums, in hexadecimal digits.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Of bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    digits(Sha256::new_with_prefix(bytes))
}

/// Of a file, which may be larger than memory.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digits(digest)),
            len => digest.update(&buffer[..len]),
        }
    }
}

fn digits(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-4, and a file that is read in pieces.
    #[test]
    fn bytes_and_files_have_the_same_checksum() {
        assert_eq!(of_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let directory = tempfile::tempdir().unwrap();
        let (path, bytes) = (directory.path().join("file"), vec![7; 200_001]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(of_file(&path).unwrap(), of_bytes(&bytes));
        assert!(of_file(&directory.path().join("none")).is_err());
    }
}
