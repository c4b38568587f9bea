//! The small tables that every verification needs: profiles, device types, API clients.
//!
//! They change rarely and are replaced whole; readers hold on to the ones that they began with.

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::api_rules::ApiRules;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Client, Id, Profile};
use symbolon_core::keys::{KeyRing, Purpose};
use symbolon_core::secret::Digest;

/// What is needed of a profile.
#[derive(Debug, Clone)]
pub struct ProfileRule {
    /// Identifier.
    pub id: Id<Profile>,
    /// Name.
    pub name: String,
    /// Inactivity after which a session ends.
    pub session_idle: Duration,
    /// What else holds for the credentials of its users.
    pub api: ApiRules,
}

/// What is needed of a device type.
#[derive(Debug, Clone)]
pub struct DeviceTypeRule {
    /// Name.
    pub name: String,
    /// What holds for its tokens.
    pub rules: DeviceRules,
}

/// What is needed of an API client.
#[derive(Debug, Clone)]
pub struct ClientRule {
    /// Identifier; written out, the OAuth `client_id`.
    pub id: Id<Client>,
    /// Name.
    pub name: String,
    /// Whether it may use the password grant.
    pub password_grant: bool,
    /// Keyed digests of its secrets; none once it was removed.
    pub secrets: Vec<Digest>,
}

/// All of them. Numbers of profiles, device types and clients stay the same as long as the process runs:
/// a later reading only adds, and a client that was removed keeps its number and loses its secrets.
#[derive(Debug, Default)]
pub struct Rules {
    profiles: Vec<ProfileRule>,
    device_types: Vec<DeviceTypeRule>,
    clients: Vec<(ClientRule, String)>,
    profile_numbers: HashMap<Id<Profile>, u16>,
    device_type_numbers: HashMap<String, u8>,
    client_numbers: HashMap<Id<Client>, u16>,
}

/// That a credential has no device type: its session was opened without a token.
pub(crate) const NO_DEVICE_TYPE: u8 = u8::MAX;

impl Rules {
    /// These rules, with what a later reading says.
    #[must_use]
    pub fn renewed(
        &self,
        profiles: Vec<ProfileRule>,
        device_types: Vec<DeviceTypeRule>,
        clients: Vec<ClientRule>,
    ) -> Self {
        let mut rules = Self {
            profiles: self.profiles.clone(),
            device_types: self.device_types.clone(),
            clients: self.clients.clone(),
            profile_numbers: self.profile_numbers.clone(),
            device_type_numbers: self.device_type_numbers.clone(),
            client_numbers: self.client_numbers.clone(),
        };
        for profile in profiles {
            rules.put_profile(profile);
        }
        for device_type in device_types {
            rules.put_device_type(device_type);
        }
        for (client, _) in &mut rules.clients {
            client.secrets.clear();
        }
        for client in clients {
            rules.put_client(client);
        }
        rules
    }

    fn put_profile(&mut self, profile: ProfileRule) {
        if let Some(number) = self.profile_numbers.get(&profile.id) {
            self.profiles[usize::from(*number)] = profile;
        } else if let Ok(number) = u16::try_from(self.profiles.len()) {
            self.profile_numbers.insert(profile.id, number);
            self.profiles.push(profile);
        }
    }

    fn put_device_type(&mut self, device_type: DeviceTypeRule) {
        if let Some(number) = self.device_type_numbers.get(&device_type.name) {
            self.device_types[usize::from(*number)] = device_type;
        } else if self.device_types.len() < usize::from(NO_DEVICE_TYPE)
            && let Ok(number) = u8::try_from(self.device_types.len())
        {
            self.device_type_numbers.insert(device_type.name.clone(), number);
            self.device_types.push(device_type);
        }
    }

    fn put_client(&mut self, client: ClientRule) {
        if let Some(number) = self.client_numbers.get(&client.id) {
            self.clients[usize::from(*number)].0 = client;
        } else if self.clients.len() < usize::from(crate::index::NO_CLIENT)
            && let Ok(number) = u16::try_from(self.clients.len())
        {
            self.client_numbers.insert(client.id, number);
            let written = client.id.to_string();
            self.clients.push((client, written));
        }
    }

    /// Proves an API client by its secret.
    ///
    /// # Security
    /// The secret is digested whether there is such a client or not, and every digest is compared, in
    /// constant time each, whichever is right.
    pub fn prove_client(&self, keys: &KeyRing, id: &str, secret: &[u8]) -> Option<&ClientRule> {
        let number = id.parse().ok().and_then(|id| self.client_numbers.get(&id));
        let client = number.and_then(|number| self.clients.get(usize::from(*number)));
        let known = client.map_or(&[][..], |(client, _)| &client.secrets);
        let mut proved = false;
        for digest in keys.each_digest(Purpose::Client, secret) {
            for known in known {
                proved |= *known == digest;
            }
        }
        client.map(|(client, _)| client).filter(|_| proved)
    }

    pub(crate) fn profile(&self, number: u16) -> Option<&ProfileRule> {
        self.profiles.get(usize::from(number))
    }

    pub(crate) fn profile_number(&self, id: Id<Profile>) -> Option<u16> {
        self.profile_numbers.get(&id).copied()
    }

    pub(crate) fn device_type(&self, number: u8) -> Option<&DeviceTypeRule> {
        self.device_types.get(usize::from(number))
    }

    pub(crate) fn device_type_number(&self, name: Option<&str>) -> u8 {
        name.and_then(|name| self.device_type_numbers.get(name).copied()).unwrap_or(NO_DEVICE_TYPE)
    }

    pub(crate) fn client_id(&self, number: u16) -> Option<&str> {
        self.clients.get(usize::from(number)).map(|(_, written)| written.as_str())
    }

    pub(crate) fn client_number(&self, id: Option<Id<Client>>) -> u16 {
        id.and_then(|id| self.client_numbers.get(&id).copied()).unwrap_or(crate::index::NO_CLIENT)
    }
}
