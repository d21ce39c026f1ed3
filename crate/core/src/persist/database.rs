//! The database: tables of records in one file.

use crate::persist::changes::Pending;
use crate::persist::file::{Image, Storage, Unusable, hold, is_in_place, is_unmade, make};
use crate::persist::stored::Stored;
use redb::{
    Builder, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError, TableHandle,
};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of what is stored, in [`FACTS`].
const VERSION: u32 = 1;

type Records<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// Facts about the database itself.
const FACTS: TableDefinition<'_, &str, u32> = TableDefinition::new("mi-httpd");
/// Texts of each style, by the number that records name it with.
const STYLES: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("styles");
/// In front of the names of tables of records.
const PREFIX: &str = "records ";

/// Memory for pages that were read, and for those that are to be written: leaves come out of the cache of the machine.
const CACHE: usize = 32 << 20;

/// A file of more bytes, of which less than half are in use, is made smaller when it is opened.
const WORTH_COMPACTING: u64 = 1 << 20;

/// An open database. It opens anew when a write has failed.
pub struct Database {
    path: PathBuf,
    file: Arc<File>,
    inner: Option<redb::Database>,
    tables: Vec<String>,
    styles: Vec<Box<[u8]>>,
    /// Styles that the file knows.
    stored_styles: usize,
    generation: u32,
    /// The file was gone when changes were to be written.
    is_gone: bool,
    /// The file was made anew, so that it lacks what others do not change.
    is_anew: bool,
}

impl Database {
    /// Opens the database, or makes it where there is none. Every page is read and compared with its checksum.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        let file = hold(path)?;
        let mut database = Self {
            path: path.to_owned(),
            file,
            inner: None,
            tables: Vec::new(),
            styles: Vec::new(),
            stored_styles: 0,
            generation: 0,
            is_gone: false,
            is_anew: false,
        };
        guarded(|| database.begin())?;
        // A new one lacks nothing.
        database.is_anew = false;
        Ok(database)
    }

    fn begin(&mut self) -> Result<(), Unusable> {
        if is_unmade(&self.file)? {
            make(&self.path, &self.file, &empty()?)?;
            self.is_anew = true;
        }
        let mut inner = builder()
            .create_with_backend(Storage::new(&self.file))
            .map_err(unusable)?;
        self.read_facts(&inner)?;
        let size = self.size();
        if size > WORTH_COMPACTING && wasted(&inner)? > size / 2 {
            inner.compact().map_err(other)?;
        }
        self.inner = Some(inner);
        Ok(())
    }

    fn read_facts(&mut self, inner: &redb::Database) -> Result<(), Unusable> {
        let transaction = inner.begin_read().map_err(other)?;
        let facts = match transaction.open_table(FACTS) {
            Ok(facts) => facts,
            Err(TableError::Storage(error)) => return Err(storage(error)),
            Err(_) => return Err(Unusable::Foreign),
        };
        let fact = |name: &str| -> Result<Option<u32>, Unusable> {
            Ok(facts.get(name).map_err(storage)?.map(|fact| fact.value()))
        };
        match fact("version")? {
            None => return Err(Unusable::Foreign),
            Some(version) if version > VERSION => return Err(Unusable::Later(version)),
            Some(_) => {}
        }
        self.generation = fact("generation")?.unwrap_or_default();
        self.styles.clear();
        match transaction.open_table(STYLES) {
            Ok(styles) => {
                for style in styles.iter().map_err(storage)? {
                    let (_, texts) = style.map_err(storage)?;
                    self.styles.push(texts.value().into());
                }
            }
            Err(TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(other(error)),
        }
        self.stored_styles = self.styles.len();
        let names = transaction.list_tables().map_err(storage)?;
        for name in names.filter_map(|table| table.name().strip_prefix(PREFIX).map(str::to_owned)) {
            self.table(&name);
        }
        Ok(())
    }

    /// Names of the tables, by their numbers. Numbers are those of this process.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// The number of a table, which is made when something is written to it.
    pub fn table(&mut self, name: &str) -> u16 {
        let found = self.tables.iter().position(|known| known == name);
        let number = found.unwrap_or_else(|| {
            self.tables.push(name.to_owned());
            self.tables.len() - 1
        });
        number as u16
    }

    /// Texts of the styles that records have, by their numbers.
    pub fn styles(&self) -> &[Box<[u8]>] {
        &self.styles
    }

    /// The number of a style, which is stored with the next commit.
    pub fn style(&mut self, texts: &[u8]) -> u16 {
        let found = self.styles.iter().position(|known| known.as_ref() == texts);
        let number = found.unwrap_or_else(|| {
            self.styles.push(texts.into());
            self.styles.len() - 1
        });
        number as u16
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Begins to write everything anew.
    pub fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |facts| facts.len())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives all records of a table to `take`, until that returns false.
    pub fn read(&self, table: u16, mut take: impl FnMut(&[u8], Stored<'_>) -> bool) -> Result<(), Unusable> {
        let (Some(inner), Some(name)) = (&self.inner, self.tables.get(usize::from(table))) else {
            return Ok(());
        };
        guarded(|| {
            let transaction = inner.begin_read().map_err(other)?;
            let records = match transaction.open_table(Records::new(&format!("{PREFIX}{name}"))) {
                Ok(records) => records,
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                Err(error) => return Err(other(error)),
            };
            for record in records.iter().map_err(storage)? {
                let (key, value) = record.map_err(storage)?;
                let stored =
                    Stored::read(value.value()).ok_or_else(|| Unusable::Damaged("a record is cut short".to_owned()))?;
                if !take(key.value(), stored) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Writes changes, all of them or none. After a failure the database is opened anew by the next call; a file that is gone, and
    /// has not come back by then, is made anew.
    ///
    /// Returns true if all records have to be written, since the file was made anew.
    pub fn write(&mut self, pending: &Pending) -> Result<bool, Unusable> {
        let written = guarded(|| {
            let is_emptied = self.file.metadata()?.len() == 0;
            let is_in_place = is_in_place(&self.path, &self.file);
            if is_emptied || !is_in_place {
                self.close();
                if is_emptied {
                    // What the close has written is no database.
                    self.file.set_len(0)?;
                }
                self.find(is_in_place)?;
            }
            if self.inner.is_none() {
                let generation = self.generation;
                let styles = std::mem::take(&mut self.styles);
                let opened = self.begin();
                self.generation = generation;
                self.styles = styles;
                opened?;
            }
            self.commit(pending)
        });
        if written.is_err() {
            self.close();
        } else {
            self.is_gone = false;
        }
        written.map(|()| std::mem::take(&mut self.is_anew))
    }

    /// Whatever it is at, the file itself stays as it was.
    fn close(&mut self) {
        let inner = self.inner.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(inner))));
    }

    /// Takes a new file in place of one that is gone. The first time it may still come back.
    fn find(&mut self, is_in_place: bool) -> Result<(), Unusable> {
        if !self.is_gone {
            self.is_gone = true;
            return Err(Unusable::Gone);
        }
        if !is_in_place {
            if std::fs::metadata(&self.path).is_ok_and(|found| found.len() > 0) {
                return Err(Unusable::Replaced);
            }
            self.file = hold(&self.path)?;
        }
        Ok(())
    }

    fn commit(&mut self, pending: &Pending) -> Result<(), Unusable> {
        let Some(inner) = &self.inner else {
            return Err(Unusable::Io(io::Error::other("it is closed")));
        };
        let transaction = inner.begin_write().map_err(other)?;
        {
            let mut facts = transaction.open_table(FACTS).map_err(other)?;
            // Always, so that a commit without changes tells whether there is room.
            facts.insert("generation", self.generation).map_err(storage)?;
        }
        if self.stored_styles < self.styles.len() {
            let mut styles = transaction.open_table(STYLES).map_err(other)?;
            for (number, texts) in self.styles.iter().enumerate().skip(self.stored_styles) {
                styles.insert(number as u16, texts.as_ref()).map_err(storage)?;
            }
        }
        for (table, changes) in pending.tables() {
            let Some(name) = self.tables.get(usize::from(table)) else {
                continue;
            };
            let name = format!("{PREFIX}{name}");
            let definition = Records::new(&name);
            if changes.is_cleared {
                transaction.delete_table(definition).map_err(other)?;
            }
            let mut records = transaction.open_table(definition).map_err(other)?;
            for (key, value) in &changes.records {
                match value {
                    Some(value) => drop(records.insert(key.as_ref(), value.as_ref()).map_err(storage)?),
                    None => drop(records.remove(key.as_ref()).map_err(storage)?),
                }
            }
            if changes.is_complete {
                let current = self.generation;
                let is_current = |value: &[u8]| Stored::read(value).is_some_and(|stored| stored.generation == current);
                records.retain(|_, value| is_current(value)).map_err(storage)?;
            }
        }
        transaction.commit().map_err(other)?;
        self.stored_styles = self.styles.len();
        Ok(())
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// A database without records, made in memory, so that no file is half of one.
fn empty() -> Result<Vec<u8>, Unusable> {
    let image = Image::default();
    let inner = builder().create_with_backend(image.clone()).map_err(unusable)?;
    let transaction = inner.begin_write().map_err(other)?;
    transaction
        .open_table(FACTS)
        .map_err(other)?
        .insert("version", VERSION)
        .map_err(other)?;
    transaction.commit().map_err(other)?;
    drop(inner);
    Ok(image.take())
}

/// Bytes of the file that are in no use.
fn wasted(inner: &redb::Database) -> Result<u64, Unusable> {
    let transaction = inner.begin_write().map_err(other)?;
    let wasted = transaction.stats().map_err(storage)?.fragmented_bytes();
    transaction.abort().map_err(storage)?;
    Ok(wasted)
}

/// A database that panics is damaged: redb promises errors only for what it has checked.
fn guarded<T>(run: impl FnOnce() -> Result<T, Unusable>) -> Result<T, Unusable> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Unusable::Damaged("it cannot be read".to_owned())))
}

fn unusable(error: DatabaseError) -> Unusable {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Unusable::Held,
        DatabaseError::UpgradeRequired(_) => Unusable::Foreign,
        DatabaseError::Storage(error) => storage(error),
        error => other(error),
    }
}

fn storage(error: StorageError) -> Unusable {
    match error {
        StorageError::Corrupted(reason) => Unusable::Damaged(reason),
        // There is something in the file, but no database.
        StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => Unusable::Foreign,
        StorageError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Unusable::Damaged("it is cut short".to_owned())
        }
        StorageError::Io(error) => Unusable::Io(error),
        error => Unusable::Io(io::Error::other(error.to_string())),
    }
}

fn other(error: impl Into<redb::Error>) -> Unusable {
    match error.into() {
        redb::Error::Corrupted(reason) => Unusable::Damaged(reason),
        redb::Error::Io(error) => storage(StorageError::Io(error)),
        error => Unusable::Io(io::Error::other(error.to_string())),
    }
}
