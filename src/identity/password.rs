//! Passwords: what is accepted, and how they are kept (argon2id with the parameters OWASP asks for; SEC-04).
//!
//! [`hash`] and [`verify`] take tens of milliseconds of one core on purpose: async callers run them by `spawn_blocking`. Where
//! an account is unknown, verify against [`decoy`], so that the answer takes as long as for one that exists.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::sync::LazyLock;

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 10;
/// Most bytes of a password: enough for any sentence, too little to make hashing a burden.
pub const MAX_BYTES: usize = 200;

/// Of the published lists of leaked passwords those of ten characters and more that people choose most, and what every site
/// sees with its own name. Compared in lower case, without trailing digits and marks.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1029384756",
    "111111111",
    "1111111111",
    "1122334455",
    "123123123",
    "1231231231",
    "123456789",
    "1234567890",
    "12345678910",
    "1234567891",
    "123456789a",
    "123qwe123qwe",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "987654321",
    "9876543210",
    "a123456789",
    "abc123456789",
    "abcd123456",
    "abcdefghij",
    "abcdefghijk",
    "administrator",
    "asdfasdfasdf",
    "asdfghjkl",
    "asdfghjkl;",
    "asdfghjkl1",
    "basketball",
    "bismillah",
    "butterfly",
    "california",
    "changemenow",
    "chocolate",
    "christopher",
    "computer12",
    "correcthorsebatterystaple",
    "dragondragon",
    "elizabeth1",
    "everything",
    "evolution",
    "football12",
    "helloworld",
    "ilovejesus",
    "iloveyou12",
    "iloveyouso",
    "internet12",
    "jacqueline",
    "jesuschrist",
    "letmein123",
    "letmeinnow",
    "liverpool1",
    "loveloveme",
    "manchester",
    "margarita1",
    "marketplace",
    "metallica1",
    "microsoft1",
    "monkeymonkey",
    "motdepasse",
    "mypassword",
    "myworkmarketplace",
    "newpassword",
    "password",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "passwordpassword",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "passwort",
    "princess12",
    "qazwsxedc",
    "qazwsxedcrfv",
    "qwerasdfzxcv",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop",
    "qwertyuiop[]",
    "q1w2e3r4t5",
    "q1w2e3r4t5y6",
    "samsung123",
    "schmetterling",
    "secretsecret",
    "spiderman1",
    "starwars12",
    "sunshine12",
    "superman12",
    "swordfish1",
    "testtest12",
    "thisisapassword",
    "trustno1trustno1",
    "unbelievable",
    "volleyball",
    "welcome123",
    "welcome1234",
    "whatever12",
    "zxcvbnm123",
    "zxcvbnmasd",
];

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("Use at least 10 characters. Three or four words in a row are easy to remember and hard to guess.")]
    TooShort,
    #[error("Use at most 200 characters.")]
    TooLong,
    #[error("This password is on every list of stolen passwords. Choose one that only you would think of.")]
    Common,
    #[error("Do not use your name or e-mail address as the password.")]
    Personal,
    #[error("Use more than one or two different characters.")]
    Monotonous,
}

/// Whether `password` is good enough for the person who is called any of `names` (username, e-mail address).
///
/// # Errors
/// With the first reason to refuse it.
pub fn check(password: &str, names: &[&str]) -> Result<(), WeakPassword> {
    if password.chars().count() < MIN_CHARS {
        return Err(WeakPassword::TooShort);
    }
    if password.len() > MAX_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 3 {
        return Err(WeakPassword::Monotonous);
    }
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    if COMMON.contains(&lower.as_str()) || COMMON.contains(&stem) {
        return Err(WeakPassword::Common);
    }
    let personal = names.iter().flat_map(|name| [*name, name.split('@').next().unwrap_or_default()]);
    for name in personal.map(str::to_lowercase).filter(|name| name.chars().count() >= 4) {
        if lower == name || stem == name {
            return Err(WeakPassword::Personal);
        }
    }
    Ok(())
}

/// 19 MiB, two passes, one lane: OWASP's first recommendation for argon2id.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The password as a PHC string with a salt of its own.
///
/// # Panics
/// When the operating system gives no randomness for the salt.
pub fn hash(password: &str) -> String {
    hasher().hash_password(password.as_bytes()).expect("any bytes of bounded length can be hashed with a random salt").to_string()
}

/// Whether `password` is the one behind `phc`. False for a string that is no hash.
pub fn verify(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|known| hasher().verify_password(password.as_bytes(), &known).is_ok())
}

/// A hash that no password matches, with the cost of a real one.
pub fn decoy() -> &'static str {
    static DECOY: LazyLock<String> = LazyLock::new(|| hash(&uuid::Uuid::new_v4().to_string()));
    &DECOY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_welcome() {
        assert_eq!(check("four lamps on a boat", &["ada", "ada@example.com"]), Ok(()));
        assert_eq!(check("żółta łódź", &[]), Ok(()));
    }

    #[test]
    fn what_an_attacker_tries_first_is_refused() {
        assert_eq!(check("short", &[]), Err(WeakPassword::TooShort));
        assert_eq!(check(&"long ".repeat(41), &[]), Err(WeakPassword::TooLong));
        assert_eq!(check("1234567890", &[]), Err(WeakPassword::Common));
        assert_eq!(check("Password123!", &[]), Err(WeakPassword::Common));
        assert_eq!(check("aaaaaaaaaaab", &[]), Err(WeakPassword::Monotonous));
        assert_eq!(check("ada-lovelace", &["ada-lovelace"]), Err(WeakPassword::Personal));
        assert_eq!(check("ada-lovelace1815", &["x", "Ada-Lovelace@example.com"]), Err(WeakPassword::Personal));
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let phc = hash("four lamps on a boat");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("four lamps on a boat", &phc));
        assert!(!verify("four lamps on a boat ", &phc));
        assert_ne!(phc, hash("four lamps on a boat"), "each hash has its own salt");
        assert!(!verify("anything", decoy()));
        assert!(!verify("anything", "not a hash"));
    }
}
