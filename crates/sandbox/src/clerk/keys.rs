//! The RSA keys that sign session tokens: made when first needed, kept in a file, published as a JSON Web Key Set. The newest
//! signs; older ones stay in the set, so that tokens signed before a rotation still verify.

use crate::SandboxError;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Clone, Serialize, Deserialize)]
struct Key {
    kid: String,
    pem: String,
}

pub(super) struct Keys {
    /// Oldest first.
    keys: Mutex<Vec<Key>>,
    file: PathBuf,
}

impl Keys {
    pub fn open(file: PathBuf) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::File { path: file.clone(), act: "read", source };
        let keys = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { keys: Mutex::new(keys), file })
    }

    /// A signed token of the claims.
    pub fn sign(&self, claims: &Value) -> String {
        let keys = self.at_least_one();
        let key = keys.last().expect("there is at least one");
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &encoding_key(key)).expect("a key of ours signs JSON")
    }

    pub fn rotate(&self) {
        let mut keys = self.at_least_one();
        keys.push(new_key());
        self.save(&keys);
    }

    pub fn published(&self) -> Value {
        let keys = self.at_least_one();
        let set: Vec<Jwk> = keys
            .iter()
            .map(|key| {
                let mut jwk =
                    Jwk::from_encoding_key(&encoding_key(key), Algorithm::RS256).expect("a key of ours has a public half");
                jwk.common.key_id = Some(key.kid.clone());
                jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
                jwk
            })
            .collect();
        json!({ "keys": set })
    }

    fn at_least_one(&self) -> MutexGuard<'_, Vec<Key>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.is_empty() {
            keys.push(new_key());
            self.save(&keys);
        }
        keys
    }

    fn save(&self, keys: &[Key]) {
        let half = self.file.with_extension("new");
        let written = serde_json::to_vec_pretty(keys)
            .map_err(io::Error::from)
            .and_then(|bytes| std::fs::write(&half, bytes))
            .and_then(|()| std::fs::rename(&half, &self.file));
        if let Err(error) = written {
            tracing::error!(file = %self.file.display(), %error, "the sandbox could not keep its signing keys");
        }
    }
}

fn encoding_key(key: &Key) -> EncodingKey {
    EncodingKey::from_rsa_pem(key.pem.as_bytes()).expect("the file of keys holds what was written to it")
}

fn new_key() -> Key {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a new key can be written down");
    let encoded = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = (0..encoded.len()).step_by(64).map(|start| &encoded[start..(start + 64).min(encoded.len())]).collect();
    Key {
        kid: format!("ins_{}", uuid::Uuid::now_v7().simple()),
        pem: format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")),
    }
}
