//! The pages of docs/errors, which `rnet explain` prints: one for each code.

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        /// Every code with its page, in order.
        pub const PAGES: &[(&str, &str)] =
            &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),*];
    };
}

pages!(
    "E001", "E002", "E003", "E004", "E005", "E100", "E101", "E102", "E103", "E104", "E105", "E106", "E107", "E108",
    "E109", "E110", "E111", "E120", "E121", "E122", "E130", "E131", "E132", "E133", "E134", "E135", "E136", "E137",
    "E140", "E150", "E200", "E201", "E202", "E203", "W001", "W002", "W003", "W010", "W011", "W012", "W013", "W014"
);
