//! One breaker for each key: an upstream, an operation of it, a shard.

use std::{collections::BTreeMap, fmt::Display, sync::Mutex};

use super::{CircuitBreaker, Config, ConfigError};

/// Breakers by key, made when they are first asked for. Breakers are shared: [`get`](Breakers::get) twice gives the same one.
///
/// Nothing is forgotten by itself. Where keys come and go, call [`retain`](Breakers::retain) now and then.
pub struct Breakers<K> {
    config: Config,
    breakers: Mutex<BTreeMap<K, CircuitBreaker>>,
}

impl<K: Ord + Clone + Display> Breakers<K> {
    /// None yet; all will have this configuration, apart from those [`insert`](Breakers::insert)ed.
    ///
    /// # Errors
    /// What [`Config::validate`] says.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Breakers { config, breakers: Mutex::default() })
    }

    /// The breaker of this key, which becomes its name.
    pub fn get(&self, key: &K) -> CircuitBreaker {
        let mut breakers = self.lock();
        if let Some(breaker) = breakers.get(key) {
            return breaker.clone();
        }
        let breaker =
            CircuitBreaker::new(key.to_string(), self.config).expect("the configuration was checked");
        breakers.insert(key.clone(), breaker.clone());
        breaker
    }

    /// Puts a breaker of another configuration in place; permits of the one before stay with that one, which is returned.
    ///
    /// # Errors
    /// What [`Config::validate`] says.
    pub fn insert(&self, key: K, config: Config) -> Result<Option<CircuitBreaker>, ConfigError> {
        let breaker = CircuitBreaker::new(key.to_string(), config)?;
        Ok(self.lock().insert(key, breaker))
    }

    /// Forgets the breakers for which `keep` says no. Permits that are out stay valid and count for nothing.
    pub fn retain(&self, mut keep: impl FnMut(&K, &CircuitBreaker) -> bool) {
        self.lock().retain(|key, breaker| keep(key, breaker));
    }

    /// The breakers there are, by key.
    pub fn all(&self) -> Vec<(K, CircuitBreaker)> {
        self.lock().iter().map(|(key, breaker)| (key.clone(), breaker.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<K, CircuitBreaker>> {
        self.breakers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
