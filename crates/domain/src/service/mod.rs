//! Services: one file per noun, each function authorises, loads, decides and commits.

mod access;
pub mod account;
pub mod asset;
pub mod audit;
pub mod authenticate;
pub mod bootstrap;
pub mod change;
pub mod comment;
pub mod filter;
pub mod finding;
pub mod group;
pub mod import;
pub mod index;
pub mod invitation;
pub mod link;
pub mod member;
pub mod merge;
pub mod organization;
pub mod report;
pub mod session;
pub mod sign_in;
pub mod token;
pub mod user;
pub mod vulnerability;
