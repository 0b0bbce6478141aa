//! Stripe's test cards: what each number does, <https://docs.stripe.com/testing>.

/// A test card.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub number: &'static str,
    /// `pm_card_…`, where a test names the card without its number.
    pub token: &'static str,
    pub brand: &'static str,
    pub funding: &'static str,
    pub behaviour: Behaviour,
    pub meaning: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Succeeds,
    Declines(Reason),
    /// The bank asks its holder first (3-D Secure), then pays.
    Authenticates,
    /// The bank asks its holder first, then declines all the same.
    AuthenticatesThenDeclines(Reason),
}

/// Why an issuer declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub code: &'static str,
    pub decline_code: Option<&'static str>,
    pub message: &'static str,
}

const fn declined(decline_code: &'static str, message: &'static str) -> Reason {
    Reason { code: "card_declined", decline_code: Some(decline_code), message }
}

const fn failed(code: &'static str, message: &'static str) -> Reason {
    Reason { code, decline_code: Some(code), message }
}

const GENERIC: Reason = declined("generic_decline", "Your card was declined.");

/// A number that is valid and not for testing.
pub(super) const LIVE_CARD: Reason = declined(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards, visit: https://stripe.com/docs/testing.",
);

#[rustfmt::skip]
pub(super) const CARDS: &[Card] = &[
    Card { number: "4242424242424242", token: "pm_card_visa", brand: "visa", funding: "credit", behaviour: Behaviour::Succeeds, meaning: "pays" },
    Card { number: "4000056655665556", token: "pm_card_visa_debit", brand: "visa", funding: "debit", behaviour: Behaviour::Succeeds, meaning: "pays (debit)" },
    Card { number: "5555555555554444", token: "pm_card_mastercard", brand: "mastercard", funding: "credit", behaviour: Behaviour::Succeeds, meaning: "pays (Mastercard)" },
    Card { number: "378282246310005", token: "pm_card_amex", brand: "amex", funding: "credit", behaviour: Behaviour::Succeeds, meaning: "pays (American Express, CVC of four digits)" },
    Card { number: "6011111111111117", token: "pm_card_discover", brand: "discover", funding: "credit", behaviour: Behaviour::Succeeds, meaning: "pays (Discover)" },
    Card { number: "4000000000000002", token: "pm_card_visa_chargeDeclined", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(GENERIC), meaning: "declined" },
    Card { number: "4000000000009995", token: "pm_card_visa_chargeDeclinedInsufficientFunds", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(declined("insufficient_funds", "Your card has insufficient funds.")), meaning: "declined: insufficient funds" },
    Card { number: "4000000000009987", token: "pm_card_visa_chargeDeclinedLostCard", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(declined("lost_card", "Your card was declined.")), meaning: "declined: reported lost" },
    Card { number: "4000000000009979", token: "pm_card_visa_chargeDeclinedStolenCard", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(declined("stolen_card", "Your card was declined.")), meaning: "declined: reported stolen" },
    Card { number: "4000000000000069", token: "pm_card_chargeDeclinedExpiredCard", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(failed("expired_card", "Your card has expired.")), meaning: "declined: expired" },
    Card { number: "4000000000000127", token: "pm_card_chargeDeclinedIncorrectCvc", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(failed("incorrect_cvc", "Your card's security code is incorrect.")), meaning: "declined: wrong CVC" },
    Card { number: "4000000000000119", token: "pm_card_chargeDeclinedProcessingError", brand: "visa", funding: "credit", behaviour: Behaviour::Declines(failed("processing_error", "An error occurred while processing your card. Try again in a little bit.")), meaning: "declined: processing error" },
    Card { number: "4000002760003184", token: "pm_card_authenticationRequired", brand: "visa", funding: "credit", behaviour: Behaviour::Authenticates, meaning: "asks for 3-D Secure, then pays" },
    Card { number: "4000000000003220", token: "pm_card_threeDSecure2Required", brand: "visa", funding: "credit", behaviour: Behaviour::Authenticates, meaning: "asks for 3-D Secure 2, then pays" },
    Card { number: "4000008400001629", token: "pm_card_threeDSecureRequiredChargeDeclined", brand: "visa", funding: "credit", behaviour: Behaviour::AuthenticatesThenDeclines(GENERIC), meaning: "asks for 3-D Secure, then is declined" },
];

pub(super) fn by_number(number: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.number == number)
}

pub(super) fn by_token(token: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.token == token)
}

/// Stripe's name for a number that does not tell it: equal for equal numbers.
pub(super) fn fingerprint(number: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(&Sha256::digest(format!("sandbox {number}"))[..8])
}

pub(super) fn by_fingerprint(print: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| fingerprint(card.number) == print)
}

/// The check digit that every card number carries.
pub(super) fn passes_luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().rev().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (12..=19).contains(&digits.len())) else { return false };
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_card_is_a_valid_number_of_its_own() {
        for card in CARDS {
            assert!(passes_luhn(card.number), "{}", card.number);
            assert_eq!(by_fingerprint(&fingerprint(card.number)), Some(card));
            assert_eq!(by_token(card.token), Some(card));
        }
        assert!(!passes_luhn("4242424242424241"));
        assert!(!passes_luhn("42"));
        assert!(!passes_luhn("4242 4242"));
    }
}
