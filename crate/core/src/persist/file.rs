//! The file of a database: made readable by its owner alone, and held by one process at a time.

use redb::StorageBackend;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why there is no database. Its text names the file and what to do.
#[derive(Debug)]
pub enum Unusable {
    /// Another process has it.
    Held,
    /// Its folder is not there, and the one around that is not either.
    NoFolder,
    /// It is no file, such as a folder.
    NoFile,
    /// It was altered by something else.
    Damaged(String),
    /// It is a database, or something else, of another program.
    Foreign,
    /// It was written by a later version.
    Later(u32),
    /// It was deleted, moved or emptied while this process has it.
    Gone,
    /// Another file has its place, while this process has it.
    Replaced,
    Io(io::Error),
}

impl Unusable {
    /// The whole message, in one line.
    pub fn message(&self, path: &Path) -> String {
        let file = path.display();
        let aside = format!("mv '{file}' '{file}.damaged'");
        match self {
            Self::Held => {
                format!("{file} is in use by another process; stop that one, or give this one a file of its own")
            }
            Self::NoFolder => {
                format!("{file} cannot be made: neither its folder nor the one around that is there; make the folder")
            }
            Self::NoFile => format!("{file} is no file; give the path of a file"),
            Self::Damaged(reason) => format!(
                "{file} is damaged ({reason}) and was left as it is; put a copy of it back, or move it away to begin without records: {aside}"
            ),
            Self::Foreign => format!(
                "{file} is not a database of mi-httpd and was left as it is; give another path, or move it away: mv '{file}' '{file}.other'"
            ),
            Self::Later(version) => format!(
                "{file} was written by a later version of mi-httpd, in format {version}; run that version, or move the file away: mv '{file}' '{file}.later'"
            ),
            Self::Gone => format!(
                "{file} was deleted, moved or emptied while it was in use; put it back at once, or it is made anew with all records"
            ),
            Self::Replaced => format!(
                "{file} was replaced by another file while it was in use; move that one away, or stop the server and start it with that one"
            ),
            Self::Io(error) => format!("{file} cannot be opened: {error}"),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens or makes the file and holds it until the last copy is dropped.
pub fn hold(path: &Path) -> Result<Arc<File>, Unusable> {
    make_folder(path)?;
    if path.is_dir() {
        return Err(Unusable::NoFile);
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Unusable::NoFile);
    }
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        Err(TryLockError::WouldBlock) => Err(Unusable::Held),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn make_folder(path: &Path) -> Result<(), Unusable> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    else {
        return Ok(());
    };
    if !folder
        .parent()
        .is_some_and(|around| around.as_os_str().is_empty() || around.is_dir())
    {
        return Err(Unusable::NoFolder);
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(folder)?)
}

/// What a file begins with while its database is being made: a process that is killed meanwhile leaves it so.
const UNFINISHED: &[u8] = b"mi-httpd: a database is being made here";

/// Bytes that hold the head of a database, and nothing else.
const HEAD: usize = 4096;

/// True for a file without a database: an empty one, or one that was not made to the end.
pub fn is_unmade(file: &File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut start = [0; UNFINISHED.len()];
    match read_at(file, 0, &mut start) {
        Ok(()) => Ok(start == UNFINISHED),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a database that was made in memory. Its head comes last: before, the file is none, and the next start makes it.
pub fn make(path: &Path, file: &File, image: &[u8]) -> io::Result<()> {
    let (head, rest) = image.split_at_checked(HEAD).unwrap_or((image, &[]));
    let write = || {
        file.set_len(0)?;
        write_at(file, 0, UNFINISHED)?;
        file.sync_all()?;
        write_at(file, HEAD as u64, rest)?;
        file.sync_all()?;
        write_at(file, 0, head)?;
        file.sync_all()
    };
    let written = write();
    if written.is_err() {
        drop(file.set_len(0));
    }
    sync_folders(path);
    written
}

/// Has the name of a new file, and of its folder, on the disk too. Not every file system can.
fn sync_folders(path: &Path) {
    for folder in path.ancestors().skip(1).take(2) {
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        drop(File::open(here).and_then(|folder| folder.sync_all()));
    }
}

/// True if the path still names the file.
pub fn is_in_place(path: &Path, file: &File) -> bool {
    let (Ok(named), Ok(held)) = (std::fs::metadata(path), file.metadata()) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (named.dev(), named.ino()) == (held.dev(), held.ino())
    }
    // Nobody else can delete or move it there.
    #[cfg(not(unix))]
    {
        named.is_file() && held.is_file()
    }
}

/// A database in memory, while it is made.
#[derive(Clone, Debug, Default)]
pub struct Image {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Image {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.lock();
        let found = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lock().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.lock();
        let place = bytes.get_mut(offset as usize..offset as usize + data.len());
        place.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}

/// The file as the database sees it. The lock is not the database's: it stays when that is opened anew.
pub struct Storage {
    file: Arc<File>,
}

impl Storage {
    pub fn new(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file) }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Storage")
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_at(&self.file, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_at(&self.file, offset, data)
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
    while !out.is_empty() {
        let length = std::os::windows::fs::FileExt::seek_read(file, out, offset)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out = out.get_mut(length..).unwrap_or_default();
        offset += length as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let length = std::os::windows::fs::FileExt::seek_write(file, data, offset)?;
        data = data.get(length..).unwrap_or_default();
        offset += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    #[cfg(unix)]
    fn the_file_is_its_owners_and_held_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = crate::persist::testing::Folder::new();
        let path = folder.path("made/contacts");
        let held = hold(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(matches!(hold(&path), Err(Unusable::Held)));
        drop(held);
        hold(&path).unwrap();
        assert!(matches!(hold(&folder.path("a/b/contacts")), Err(Unusable::NoFolder)));
        assert!(matches!(hold(&folder.path("made")), Err(Unusable::NoFile)));
        assert!(matches!(hold(Path::new("/dev/null")), Err(Unusable::NoFile)));
    }
}
