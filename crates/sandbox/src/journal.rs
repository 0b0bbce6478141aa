//! A map of JSON objects in the order they came, kept as a file of lines: each change appends the object as it now is, and
//! opening the file rewrites it with the last line of each. A change costs its own size, whatever is kept already, and is in
//! the file when the call returns.

use crate::SandboxError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

#[derive(Serialize, Deserialize)]
struct Line<T> {
    id: String,
    /// Absent when the object was removed.
    value: Option<T>,
}

pub(crate) struct Journal<T> {
    order: Vec<String>,
    values: HashMap<String, T>,
    file: File,
    path: PathBuf,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Reads what earlier processes wrote, less what `keep` refuses.
    pub fn open(path: &Path, keep: impl Fn(&T) -> bool) -> Result<Self, SandboxError> {
        let failed = |act: &'static str| move |source| SandboxError::File { path: path.to_owned(), act, source };
        let (order, values) = read(path, keep).map_err(failed("read"))?;
        let half = path.with_extension("new");
        let mut file = File::create(&half).map_err(failed("written"))?;
        for id in &order {
            write_line(&mut file, id, values.get(id)).map_err(failed("written"))?;
        }
        fs::rename(&half, path).map_err(failed("written"))?;
        Ok(Self { order, values, file, path: path.to_owned() })
    }

    pub fn get(&self, id: &str) -> Option<&T> {
        self.values.get(id)
    }

    pub fn put(&mut self, id: &str, value: T) {
        self.append(id, Some(&value));
        if self.values.insert(id.to_owned(), value).is_none() {
            self.order.push(id.to_owned());
        }
    }

    pub fn remove(&mut self, id: &str) -> Option<T> {
        let removed = self.values.remove(id)?;
        self.order.retain(|kept| kept != id);
        self.append(id, None);
        Some(removed)
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.order.iter().filter_map(|id| self.values.get(id))
    }

    /// A full disk costs the restart, not the running test: it is told once per change and the object stays in memory.
    fn append(&mut self, id: &str, value: Option<&T>) {
        if let Err(error) = write_line(&mut self.file, id, value) {
            tracing::error!(file = %self.path.display(), %error, "the sandbox could not keep a change");
        }
    }
}

type Kept<T> = (Vec<String>, HashMap<String, T>);

fn read<T: DeserializeOwned>(path: &Path, keep: impl Fn(&T) -> bool) -> std::io::Result<Kept<T>> {
    let (mut order, mut values) = (Vec::new(), HashMap::new());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((order, values)),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file).lines() {
        // The last line of a process that was killed may be torn.
        let Ok(Line { id, value }) = serde_json::from_str::<Line<T>>(&line?) else { continue };
        match value {
            Some(value) => {
                if values.insert(id.clone(), value).is_none() {
                    order.push(id);
                }
            }
            None => drop(values.remove(&id)),
        }
    }
    values.retain(|_, value| keep(value));
    order.retain(|id| values.contains_key(id));
    // An object removed and made again stands twice in the order.
    let mut seen = std::collections::HashSet::new();
    order.retain(|id| seen.insert(id.clone()));
    Ok((order, values))
}

fn write_line<T: Serialize>(file: &mut File, id: &str, value: Option<&T>) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&serde_json::json!({ "id": id, "value": value }))?;
    line.push(b'\n');
    // One write, so that lines of a killed process are torn at most at the end.
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("things.jsonl");
        let mut journal = Journal::open(&path, |_| true).unwrap();
        journal.put("b", 1);
        journal.put("a", 2);
        journal.put("b", 3);
        journal.put("c", 4);
        journal.remove("a");
        drop(journal);
        File::options().append(true).open(&path).unwrap().write_all(b"{\"id\":\"d\",\"va").unwrap();
        let journal: Journal<i32> = Journal::open(&path, |value| *value != 4).unwrap();
        assert_eq!(journal.iter().copied().collect::<Vec<_>>(), [3]);
        assert_eq!((journal.get("b"), journal.get("a")), (Some(&3), None));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1, "opening rewrites the file");
    }
}
