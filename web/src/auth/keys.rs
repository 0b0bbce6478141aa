//! The keys behind session tokens, and the one way a token is verified, whoever issued it: RS256 only, a known key, our
//! issuer, our site as the authorised party, not before its time and not after.
//!
//! Our own accounts keep their keys in the database and publish the public halves at `/.well-known/jwks.json`; Clerk publishes
//! its own. Either set is cached. A token under an unknown key makes us look again, at most once a minute, so that rotation
//! needs no restart and made-up keys cost nothing.

use crate::Error;
use anyhow::{Context, anyhow};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::RsaKeyPair,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use mywork::{
    config::{AuthMode, Config},
    db::{Actor, Db},
    identity::{
        provision,
        signing_key::{self, SigningKey},
    },
    ids::{SessionId, UserId},
};
use mywork_vendors::jwks;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

/// How long the token in the cookie lives before it is renewed.
pub const PAGE_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How long a token of the API lives: a program has no refresh cookie. Its session can be revoked before that.
pub const API_TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What clocks may differ by.
const LEEWAY: i64 = 5;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The pause while no keys are known at all: the provider could not be reached when we started.
const LOOK_FOR_THE_FIRST_TIME_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A process that signs learns of a rotation within this time, long before the key it replaces stops verifying.
const SIGNING_KEY_AGE: Duration = Duration::from_secs(600);
/// A token longer than this is not read: Clerk's have about a kilobyte.
const LONGEST_TOKEN: usize = 8 * 1024;

/// What a session token says; the shape is Clerk's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id, ours or Clerk's.
    pub sub: String,
    /// The session's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    pub iss: String,
    /// Origin of the site the token was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azp: Option<String>,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    /// What Clerk's session template may add, so that a person is known before the webhook arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Claims {
    /// The person as far as the token tells.
    pub(super) fn subject(&self) -> provision::Subject {
        provision::Subject {
            external_id: self.sub.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified.unwrap_or(false),
            username: self.username.clone(),
            display_name: self.name.clone(),
            known_at: None,
        }
    }
}

/// Why a token is not accepted; for the log, never for the caller.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("it is not a token")]
    Malformed,
    #[error("it is not signed by RS256")]
    Algorithm,
    #[error("its key is not known")]
    UnknownKey,
    #[error("its signature or content is wrong: {0}")]
    Signature(#[source] jsonwebtoken::errors::Error),
    #[error("it was issued by somebody else")]
    Issuer,
    #[error("it was made for another site")]
    Party,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it has expired")]
    Expired,
}

/// The keys; cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    source: Source,
    issuer: String,
    /// Origin of our site.
    party: String,
    known: RwLock<Known>,
    /// When a token under an unknown key last made us look.
    looked: Mutex<Option<Instant>>,
}

enum Source {
    /// Our own accounts.
    Database(Db),
    /// An outside provider.
    Published(Url),
}

#[derive(Default)]
struct Known {
    verifying: HashMap<String, DecodingKey>,
    signing: Option<Signing>,
    public: Option<JwkSet>,
}

#[derive(Clone)]
struct Signing {
    kid: String,
    key: EncodingKey,
    loaded: Instant,
}

impl Keys {
    /// Reads the keys; of our own accounts the first is made here when there is none. A provider that cannot be reached now is
    /// asked again with the first token.
    ///
    /// # Errors
    /// When the database fails, or Clerk is to sign people in and no address of its keys is configured.
    pub async fn open(db: &Db, config: &Config, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let party = config.base_url.origin().ascii_serialization();
        let issuer = config.auth.issuer.clone().unwrap_or_else(|| party.clone());
        let source = match config.auth.mode {
            AuthMode::Builtin => {
                establish(db, now).await.context("the key that signs sessions could not be made")?;
                Source::Database(db.clone())
            }
            AuthMode::Clerk => Source::Published(
                config.auth.jwks_url.clone().context("auth.jwks_url is missing: Clerk's keys are published there")?,
            ),
        };
        let inner = Inner { source, issuer, party, known: RwLock::default(), looked: Mutex::default() };
        let keys = Self(Arc::new(inner));
        match keys.look(now).await {
            Ok(()) => {}
            Err(error) if config.auth.mode == AuthMode::Clerk => {
                tracing::warn!(error = format!("{error:#}"), "the sign-in provider's keys could not be fetched yet");
            }
            Err(error) => return Err(error),
        }
        Ok(keys)
    }

    /// The public keys, as `/.well-known/jwks.json` shows them.
    pub fn public(&self) -> JwkSet {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.public.clone().unwrap_or_else(|| JwkSet { keys: Vec::new() })
    }

    /// A token for a session of our own accounts.
    ///
    /// # Errors
    /// When somebody else signs sessions, or the keys cannot be read.
    pub async fn sign(&self, user: UserId, session: SessionId, lifetime: TimeDelta, now: DateTime<Utc>) -> Result<String, Error> {
        let signing = self.signing(now).await?;
        let claims = Claims {
            sub: user.to_string(),
            sid: Some(session.to_string()),
            iss: self.0.issuer.clone(),
            azp: Some(self.0.party.clone()),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + lifetime).timestamp(),
            email: None,
            email_verified: None,
            username: None,
            name: None,
        };
        let header = Header { kid: Some(signing.kid), ..Header::new(Algorithm::RS256) };
        encode(&header, &claims, &signing.key)
            .map_err(|error| Error::Internal(anyhow!(error).context("a session token was not signed")))
    }

    /// What `token` says, if it may be believed at `now`.
    ///
    /// # Errors
    /// With the first reason not to.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let key = match self.verifying(&kid) {
            Some(key) => key,
            None => {
                self.look_again(now).await;
                self.verifying(&kid).ok_or(TokenError::UnknownKey)?
            }
        };
        // Times are checked below, against our clock and not the system's; there is no audience in Clerk's shape.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, &key, &validation).map_err(TokenError::Signature)?.claims;
        self.check(claims, now)
    }

    fn check(&self, claims: Claims, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let now = now.timestamp();
        if claims.iss != self.0.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.azp.as_deref().is_some_and(|party| party.trim_end_matches('/') != self.0.party) {
            return Err(TokenError::Party);
        }
        if claims.nbf > now + LEEWAY {
            return Err(TokenError::NotYet);
        }
        if claims.exp <= now - LEEWAY {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    fn verifying(&self, kid: &str) -> Option<DecodingKey> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).verifying.get(kid).cloned()
    }

    async fn signing(&self, now: DateTime<Utc>) -> Result<Signing, Error> {
        let current = || self.0.known.read().unwrap_or_else(PoisonError::into_inner).signing.clone();
        if current().is_none_or(|signing| signing.loaded.elapsed() > SIGNING_KEY_AGE) {
            self.look(now).await?;
        }
        current().ok_or_else(|| Error::Internal(anyhow!("sessions are signed by the outside provider, not here")))
    }

    /// Looks for new keys unless somebody has just done so. A failure leaves the known ones in force.
    async fn look_again(&self, now: DateTime<Utc>) {
        let mut looked = self.0.looked.lock().await;
        let never = self.0.known.read().unwrap_or_else(PoisonError::into_inner).public.is_none();
        let pause = if never { LOOK_FOR_THE_FIRST_TIME_AGAIN_AFTER } else { LOOK_AGAIN_AFTER };
        if looked.is_some_and(|looked| looked.elapsed() < pause) {
            return;
        }
        if let Err(error) = self.look(now).await {
            tracing::warn!(error = format!("{error:#}"), "the keys of session tokens could not be read; the known ones stay");
        }
        *looked = Some(Instant::now());
    }

    async fn look(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let known = match &self.0.source {
            Source::Database(db) => from_database(db, now).await?,
            Source::Published(url) => from_set(jwks::fetch(url).await?),
        };
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }
}

async fn from_database(db: &Db, now: DateTime<Utc>) -> anyhow::Result<Known> {
    let mut tx = db.begin(Actor::System).await?;
    let live = signing_key::live(&mut tx, now).await?;
    tx.commit().await?;
    let first = live.first().context("there is no key to sign sessions with")?;
    let signing = Signing { kid: first.kid.clone(), key: encoding_key(&first.private_der)?, loaded: Instant::now() };
    let set: Result<Vec<Jwk>, _> = live.into_iter().map(|key| serde_json::from_value(key.public_jwk)).collect();
    let known = from_set(JwkSet { keys: set.context("a stored key is not a JWK")? });
    Ok(Known { signing: Some(signing), ..known })
}

/// The RSA keys of a set; others cannot verify RS256 and are left out.
fn from_set(set: JwkSet) -> Known {
    let rs256 = |jwk: &Jwk| {
        let fits = jwk.common.key_algorithm.is_none_or(|alg| alg == jsonwebtoken::jwk::KeyAlgorithm::RS256);
        let key = DecodingKey::from_jwk(jwk).ok().filter(|key| fits && key.family() == jsonwebtoken::AlgorithmFamily::Rsa)?;
        Some((jwk.common.key_id.clone()?, key))
    };
    Known { verifying: set.keys.iter().filter_map(rs256).collect(), signing: None, public: Some(set) }
}

/// Makes the first key, unless there is one. Generating takes a while and happens outside the transaction.
async fn establish(db: &Db, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = db.begin(Actor::System).await?;
    let live = signing_key::live(&mut tx, now).await?;
    tx.commit().await?;
    if !live.is_empty() {
        return Ok(());
    }
    let offered = tokio::task::spawn_blocking(generate).await??;
    let mut tx = db.begin(Actor::System).await?;
    signing_key::establish(&mut tx, offered, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes the next key; the one before it verifies for a day more, and running processes learn of it by themselves.
///
/// # Errors
/// When no key can be generated, or the database fails.
pub async fn rotate(db: &Db, now: DateTime<Utc>) -> anyhow::Result<String> {
    let next = tokio::task::spawn_blocking(generate).await??;
    let mut tx = db.begin(Actor::System).await?;
    signing_key::rotate(&mut tx, &next, now).await?;
    tx.commit().await?;
    Ok(next.kid)
}

fn generate() -> anyhow::Result<SigningKey> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key could be generated"))?;
    let private: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| anyhow!("the RSA key could not be written as PKCS#8"))?;
    let private_der = private.as_ref().to_vec();
    let mut jwk = Jwk::from_encoding_key(&encoding_key(&private_der)?, Algorithm::RS256)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(SigningKey { kid, private_der, public_jwk: serde_json::to_value(jwk)? })
}

/// PKCS#8 passes through PEM, the only door the library has for it.
fn encoding_key(pkcs8: &[u8]) -> anyhow::Result<EncodingKey> {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", in_lines(&BASE64_STANDARD.encode(pkcs8)));
    EncodingKey::from_rsa_pem(pem.as_bytes()).context("a stored signing key is not an RSA key")
}

fn in_lines(base64: &str) -> String {
    base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that look nowhere further: their published set is at an address that answers nothing.
    fn keys(pair: &SigningKey) -> Keys {
        let jwk: Jwk = serde_json::from_value(pair.public_jwk.clone()).expect("a JWK");
        let mut known = from_set(JwkSet { keys: vec![jwk] });
        let key = encoding_key(&pair.private_der).expect("an RSA key");
        known.signing = Some(Signing { kid: pair.kid.clone(), key, loaded: Instant::now() });
        Keys(Arc::new(Inner {
            source: Source::Published("http://127.0.0.1:9/".parse().expect("an address")),
            issuer: "http://localhost:8080".into(),
            party: "http://localhost:8080".into(),
            known: RwLock::new(known),
            looked: Mutex::new(Some(Instant::now())),
        }))
    }

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().expect("a time")
    }

    async fn signed(keys: &Keys) -> (UserId, SessionId, String) {
        let (user, session) = (UserId::new(), SessionId::new());
        (user, session, keys.sign(user, session, PAGE_TOKEN_LIFETIME, now()).await.expect("a token"))
    }

    #[tokio::test]
    async fn a_token_says_who_and_which_session() {
        let keys = keys(&generate().expect("a key"));
        let (user, session, token) = signed(&keys).await;
        let claims = keys.verify(&token, now()).await.expect("valid");
        assert_eq!(claims.sub, user.to_string());
        assert_eq!(claims.sid, Some(session.to_string()));
        assert_eq!((claims.iat, claims.exp), (now().timestamp(), now().timestamp() + 300));
    }

    #[tokio::test]
    async fn a_token_has_its_time() {
        let keys = keys(&generate().expect("a key"));
        let (_, _, token) = signed(&keys).await;
        let later = |seconds| now() + TimeDelta::seconds(seconds);
        assert!(keys.verify(&token, later(304)).await.is_ok(), "within the leeway");
        assert!(matches!(keys.verify(&token, later(305)).await, Err(TokenError::Expired)));
        assert!(matches!(keys.verify(&token, later(-6)).await, Err(TokenError::NotYet)));
    }

    #[tokio::test]
    async fn what_was_made_elsewhere_or_changed_is_refused() {
        let (ours, theirs) = (keys(&generate().expect("a key")), keys(&generate().expect("a key")));
        let (_, _, foreign) = signed(&theirs).await;
        assert!(matches!(ours.verify(&foreign, now()).await, Err(TokenError::UnknownKey)));
        let (_, _, token) = signed(&ours).await;
        let mut parts: Vec<&str> = token.split('.').collect();
        let other_payload = foreign.split('.').nth(1).expect("a payload").to_owned();
        parts[1] = &other_payload;
        assert!(matches!(ours.verify(&parts.join("."), now()).await, Err(TokenError::Signature(_))));
        let symmetric =
            encode(&Header::new(Algorithm::HS256), &serde_json::json!({}), &EncodingKey::from_secret(b"x")).expect("a token");
        assert!(matches!(ours.verify(&symmetric, now()).await, Err(TokenError::Algorithm)));
        assert!(matches!(ours.verify("a.b.c", now()).await, Err(TokenError::Malformed)));
    }

    #[tokio::test]
    async fn issuer_and_party_are_ours() {
        let keys = keys(&generate().expect("a key"));
        let (_, _, token) = signed(&keys).await;
        let claims = keys.verify(&token, now()).await.expect("valid");
        let with = |change: fn(&mut Claims)| {
            let mut claims = claims.clone();
            change(&mut claims);
            keys.check(claims, now())
        };
        assert!(matches!(with(|c| c.iss = "https://evil.test".into()), Err(TokenError::Issuer)));
        assert!(matches!(with(|c| c.azp = Some("https://evil.test".into())), Err(TokenError::Party)));
        assert!(with(|c| c.azp = None).is_ok(), "a native client has no origin");
    }

    #[test]
    fn the_published_half_holds_no_secret() {
        let pair = generate().expect("a key");
        let fields: Vec<&String> = pair.public_jwk.as_object().expect("an object").keys().collect();
        assert!(fields.iter().all(|f| ["kty", "n", "e", "kid", "alg", "use"].contains(&f.as_str())), "{fields:?}");
    }
}
