//! What is told of a picture, as a table, JSON or CSV.

use super::super::Failure;
use serde::Serialize;

/// The likeliest classes of one image.
#[derive(Serialize)]
pub struct Answer {
    image: String,
    classes: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    class: String,
    label: usize,
    probability: f64,
}

impl Answer {
    /// The `top` likeliest classes by the logits' softmax; of equally likely ones the first.
    pub fn new(image: &str, logits: &[f32], top: usize, name: impl Fn(usize) -> String) -> Result<Answer, Failure> {
        if let Some(wrong) = logits.iter().find(|logit| !logit.is_finite()) {
            return Err(Failure::new(format!("{image}: the model answers {wrong}, which is no finite number")));
        }
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - greatest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let mut labels: Vec<usize> = (0..logits.len()).collect();
        labels.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let guess = |label: usize| Guess { class: name(label), label, probability: powers[label] / sum };
        Ok(Answer { image: image.to_string(), classes: labels.into_iter().take(top).map(guess).collect() })
    }
}

/// A row a class, the image's name in the first of its rows.
pub fn table(answers: &[Answer]) -> String {
    let width = |text: &dyn Fn(&Answer) -> usize| answers.iter().map(text).max().unwrap_or(0);
    let image = width(&|answer| answer.image.chars().count());
    let class = width(&|answer| answer.classes.iter().map(|guess| guess.class.chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for answer in answers {
        for (rank, guess) in answer.classes.iter().enumerate() {
            let name = if rank == 0 { answer.image.as_str() } else { "" };
            text += &format!("{name:<image$}  {:<class$}  {:>6.2}%\n", guess.class, 100.0 * guess.probability);
        }
    }
    text
}

/// An array of objects.
pub fn json(answers: &[Answer]) -> String {
    let text = serde_json::to_string_pretty(answers).expect("names and numbers are JSON");
    format!("{text}\n")
}

/// A heading, and a line a class.
pub fn csv(answers: &[Answer]) -> String {
    let mut text = "image,rank,class,label,probability\n".to_string();
    for answer in answers {
        for (rank, Guess { class, label, probability }) in answer.classes.iter().enumerate() {
            let (image, class) = (field(&answer.image), field(class));
            text += &format!("{image},{},{class},{label},{probability}\n", rank + 1);
        }
    }
    text
}

/// A field of CSV (RFC 4180).
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_with_their_probabilities() {
        let logits = [0.0, 2f32.ln(), 100.0f32.ln(), 2f32.ln()];
        let name = |label: usize| ["a", "b, \"c\"", "d", "e"][label].to_string();
        let answers = [Answer::new("p.png", &logits, 3, name).ok().expect("finite")];
        assert_eq!(table(&answers), "p.png  d        95.24%\n       b, \"c\"    1.90%\n       e         1.90%\n");
        let lines = csv(&answers);
        assert_eq!(
            lines.lines().nth(2),
            Some(format!("p.png,2,\"b, \"\"c\"\"\",1,{}", answers[0].classes[1].probability).as_str())
        );
        let value: serde_json::Value = serde_json::from_str(&json(&answers)).expect("JSON");
        assert_eq!(value[0]["classes"][0]["label"], 2);
        let total: f64 = answers[0].classes.iter().map(|guess| guess.probability).sum();
        assert!((total - 104.0 / 105.0).abs() < 1e-6, "{total}");
        assert!(Answer::new("p.png", &[0.0, f32::NAN], 1, name).is_err());
    }
}
