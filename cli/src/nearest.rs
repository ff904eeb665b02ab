//! Names that are like the one that somebody typed.

/// Names that are at least so similar to what was typed are suggested.
const SIMILAR: f64 = 0.8;
/// More suggestions help nobody.
const MOST: usize = 8;

/// The names that are similar to a word, or have it as one of their words; the most similar one
/// first.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let similarity = |name: &str| match name.split([' ', '-', '_']).any(|part| part == word) {
        true => 1.0,
        false => strsim::jaro_winkler(word, name),
    };
    let mut similar: Vec<_> = names
        .into_iter()
        .map(|name| (similarity(name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .collect();
    similar.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut names: Vec<_> = similar.into_iter().map(|(_, name)| name).collect();
    names.dedup();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_and_names_with_the_word_are_found() {
        let names = ["usermode", "hello", "mov to cr", "page-table write"];
        assert_eq!(nearest("usermod", names), ["usermode"]);
        assert_eq!(nearest("page", names), ["page-table write"]);
        assert_eq!(nearest("mov", names), ["mov to cr"]);
        assert!(nearest("qqq", names).is_empty());
    }
}
