//! A device that holds passkeys, written from the specification: what it answers is what a sound one would,
//! unless a test has it lie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const CREDENTIAL_INCLUDED: u8 = 1 << 6;

/// What a device says of its user, of itself and of the page that asks.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) credential: Vec<u8>,
    pub(crate) handle: Vec<u8>,
    pub(crate) counter: u32,
    pub(crate) origin: String,
    pub(crate) party: String,
    pub(crate) verifies: bool,
}

impl Device {
    /// A device with one passkey to give; `seed` tells it from others.
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32].into()).unwrap(),
            credential: vec![seed; 32],
            handle: Vec::new(),
            counter: 0,
            origin: "https://symbolon.example".to_owned(),
            party: "symbolon.example".to_owned(),
            verifies: true,
        }
    }

    /// The answer to a question for a new passkey.
    pub(crate) fn make(&mut self, options: &str) -> String {
        let asked = asked(options);
        self.handle = BASE64.decode(asked["user"]["id"].as_str().unwrap()).unwrap();
        let client = self.client_data("webauthn.create", &asked);
        let mut data = self.authenticator_data(CREDENTIAL_INCLUDED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
        data.extend(&self.credential);
        data.extend(self.public_key());
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(&data);
        self.answer(&json!({
            "clientDataJSON": BASE64.encode(&client),
            "attestationObject": BASE64.encode(&object),
            "transports": ["internal"],
        }))
    }

    /// The answer to a question for a passkey that there is.
    pub(crate) fn prove(&mut self, options: &str) -> String {
        self.counter += 1;
        self.prove_uncounted(options)
    }

    /// The same without counting, as devices do that share their passkeys with others.
    pub(crate) fn prove_uncounted(&self, options: &str) -> String {
        let client = self.client_data("webauthn.get", &asked(options));
        let data = self.authenticator_data(0);
        let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
        let signature: DerSignature = self.key.sign(&signed);
        self.answer(&json!({
            "clientDataJSON": BASE64.encode(&client),
            "authenticatorData": BASE64.encode(&data),
            "signature": BASE64.encode(signature.as_bytes()),
            "userHandle": BASE64.encode(&self.handle),
        }))
    }

    fn client_data(&self, kind: &str, asked: &Value) -> Vec<u8> {
        let challenge = asked["challenge"].as_str().unwrap();
        let origin = &self.origin;
        format!(
            r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#
        )
        .into_bytes()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(&self.party).to_vec();
        data.push(flags | USER_PRESENT | verified);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// RFC 9053 §7.1.1: an ES256 key, in canonical CBOR.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_encoded_point(false);
        let mut key = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
        key.extend(point.x().unwrap());
        key.extend(b"\x22\x58\x20");
        key.extend(point.y().unwrap());
        key
    }

    fn answer(&self, response: &Value) -> String {
        let id = BASE64.encode(&self.credential);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
        .to_string()
    }
}

fn asked(options: &str) -> Value {
    let options: Value = serde_json::from_str(options).unwrap();
    if options["publicKey"].is_object() { options["publicKey"].clone() } else { options }
}
