//! Transactions and sessions: against brute force on all small histories, and with each anomaly planted.

mod blind;
mod brute;
mod exhaustive;
mod legal;
mod planted;
mod plants;
mod single;

use squall_checkers::transactions;

fn words(report: &transactions::Report) -> String {
    report.anomalies.iter().map(|anomaly| format!("{anomaly}\n")).collect()
}
