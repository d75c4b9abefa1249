//! Names and sentences, as specs and tables have them.

use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Lit, Meta, Variant, punctuated::Punctuated,
    token::Comma,
};

/// The name of a variant in snake case, by serde's rule.
pub fn snake_case(variant: &Variant) -> String {
    let mut name = String::new();
    for c in variant.ident.to_string().chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// What documentation says, as half a line: without the capital at its beginning and the stop at its end.
pub fn about(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let sentence = lines.join(" ");
    let sentence = sentence.strip_suffix('.').unwrap_or(&sentence);
    let mut chars = sentence.chars();
    let first = chars.next()?;
    // An abbreviation or a name of code stays what it is.
    let is_word = chars.clone().next().is_none_or(|second| !second.is_uppercase());
    let first = if is_word { first.to_lowercase().to_string() } else { first.to_string() };
    Some(first + chars.as_str())
}

/// The variants of an enum that serde names in snake case too.
pub fn variants<'a>(input: &'a DeriveInput, what: &str) -> syn::Result<&'a Punctuated<Variant, Comma>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, format!("{what} are the variants of an enum")));
    };
    if data.variants.is_empty() {
        return Err(syn::Error::new_spanned(&input.ident, format!("there are no {what} in it")));
    }
    if !input.attrs.iter().any(renames_all) {
        return Err(syn::Error::new_spanned(
            &input.ident,
            format!("{what} are named in snake case: add #[serde(rename_all = \"snake_case\")]"),
        ));
    }
    for variant in &data.variants {
        if let Some(attribute) = variant.attrs.iter().find(|attribute| serde_says(attribute, "rename")) {
            return Err(syn::Error::new_spanned(attribute, "its name is that of the variant in snake case"));
        }
        if let Fields::Unnamed(fields) = &variant.fields {
            return Err(syn::Error::new_spanned(fields, "give its fields names"));
        }
    }
    Ok(&data.variants)
}

fn renames_all(attribute: &Attribute) -> bool {
    let mut renames = false;
    // Whatever else it says is serde's to judge.
    if attribute.path().is_ident("serde") {
        let _ = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value() {
                let value: Lit = value.parse()?;
                renames |= meta.path.is_ident("rename_all")
                    && matches!(value, Lit::Str(case) if case.value() == "snake_case");
            }
            Ok(())
        });
    }
    renames
}

fn serde_says(attribute: &Attribute, word: &str) -> bool {
    let mut says = false;
    if attribute.path().is_ident("serde") {
        let _ = attribute.parse_nested_meta(|meta| {
            says |= meta.path.is_ident(word);
            if let Ok(value) = meta.value() {
                let _: Expr = value.parse()?;
            }
            Ok(())
        });
    }
    says
}
