//! `#[derive(Operations)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    DeriveInput, Expr, Field, Fields, Ident, LitInt, Token, Type, Variant, parenthesized,
    punctuated::Punctuated,
};

use crate::words;

/// As many as proptest draws together.
const MOST_FIELDS: usize = 12;

pub fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let variants = words::variants(input, "operations")?;
    let params = params(input)?;
    let mut operations = Vec::new();
    for variant in variants {
        let Said { weight, returns, strategy } = said(variant)?;
        let strategy = match strategy {
            Some(whole) => {
                if let Some(field) = variant.fields.iter().find(|field| strategy_of(field).is_some()) {
                    let message = "the operation as a whole says how it is drawn";
                    return Err(syn::Error::new_spanned(field, message));
                }
                quote! { #whole }
            }
            None => drawn_by_field(&input.ident, variant)?,
        };
        let name = words::snake_case(variant);
        let mut fields: Vec<String> =
            variant.fields.iter().filter_map(|f| f.ident.as_ref()).map(bare).collect();
        for returned in &returns {
            if fields.contains(&bare(returned)) {
                return Err(syn::Error::new(returned.span(), "it is there already"));
            }
            fields.push(bare(returned));
        }
        if !fields.iter().any(|field| field == "reason") {
            fields.push("reason".to_owned());
        }
        operations.push(quote! { .with(#name, #weight, #strategy).fields(&[#(#fields),*]) });
    }
    let (ident, visible) = (&input.ident, &input.vis);
    let argument = params.map(|params| quote! { params: &#params });
    Ok(quote! {
        impl #ident {
            /// The operations, by name, with their strategies and default weights.
            #visible fn operations(#argument) -> ::squall::Operations<Self> {
                #[allow(unused_imports, reason = "which of them is needed depends on the operations")]
                use ::squall::system::drawing::{Just, Strategy as _};
                ::squall::Operations::new() #(#operations)*
            }
        }
    })
}

/// A name as it is told: `r#type` is `type`.
fn bare(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// What `#[operation(..)]` says.
struct Said {
    weight: u32,
    returns: Vec<Ident>,
    strategy: Option<Expr>,
}

fn said(variant: &Variant) -> syn::Result<Said> {
    let Some(attribute) = variant.attrs.iter().find(|attribute| attribute.path().is_ident("operation"))
    else {
        let message = "add #[operation(weight = 1)]: how often it is performed beside the others";
        return Err(syn::Error::new_spanned(&variant.ident, message));
    };
    let (mut weight, mut returns, mut strategy) = (None, Vec::new(), None);
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("weight") {
            weight = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
        } else if meta.path.is_ident("returns") {
            let names;
            parenthesized!(names in meta.input);
            returns.extend(Punctuated::<Ident, Token![,]>::parse_terminated(&names)?);
        } else if meta.path.is_ident("strategy") {
            strategy = Some(meta.value()?.parse()?);
        } else {
            return Err(
                meta.error("an operation has `weight = N`, `returns(FIELD, ..)` and `strategy = EXPRESSION`")
            );
        }
        Ok(())
    })?;
    let Some(weight) = weight else {
        let message =
            "add `weight = 1`: how often it is performed beside the others; 0 is for specs that ask for it";
        return Err(syn::Error::new_spanned(attribute, message));
    };
    Ok(Said { weight, returns, strategy })
}

fn params(input: &DeriveInput) -> syn::Result<Option<Type>> {
    let mut params = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("operations")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("params") {
                return Err(meta.error("operations have `params = TYPE`"));
            }
            params = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(params)
}

fn strategy_of(field: &Field) -> Option<syn::Result<Expr>> {
    let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident("strategy"))?;
    Some(attribute.parse_args())
}

/// Each field by its own strategy, in their order.
fn drawn_by_field(operations: &Ident, variant: &Variant) -> syn::Result<TokenStream> {
    let name = &variant.ident;
    let Fields::Named(fields) = &variant.fields else {
        return Ok(quote! { Just(#operations::#name) });
    };
    if fields.named.len() > MOST_FIELDS {
        let message =
            format!("{MOST_FIELDS} fields are drawn at most: say `strategy = ..` in #[operation(..)]");
        return Err(syn::Error::new_spanned(fields, message));
    }
    let (mut names, mut types, mut strategies) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(strategy) = strategy_of(field) else {
            let message = "add #[strategy(..)]: how it is drawn, as 0..8u32";
            return Err(syn::Error::new_spanned(field, message));
        };
        names.push(field.ident.as_ref());
        types.push(&field.ty);
        strategies.push(strategy?);
    }
    match strategies.as_slice() {
        [] => Ok(quote! { Just(#operations::#name {}) }),
        [one] => Ok(quote! { (#one).prop_map(|#(#names: #types),*| #operations::#name { #(#names),* }) }),
        all => Ok(quote! {
            (#(#all),*).prop_map(|(#(#names),*): (#(#types),*)| #operations::#name { #(#names),* })
        }),
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn error(input: &DeriveInput) -> String {
        expand(input).expect_err("it is wrong").to_string()
    }

    #[test]
    fn an_operation_is_its_name_its_weight_its_strategies_and_its_fields() {
        let expanded = expand(&parse_quote! {
            #[serde(rename_all = "snake_case")]
            #[operations(params = Params)]
            enum Op {
                #[operation(weight = 7, returns(version))]
                WriteAll { #[strategy(0..8u32)] via: u32, #[strategy(1..params.most)] value: u64 },
                #[operation(weight = 0)]
                Audit,
                #[operation(weight = 1, strategy = drawn(params), returns(reason))]
                Whole { a: u8 },
            }
        });
        let expanded = expanded.expect("it is right").to_string();
        let tokens = |tokens: TokenStream| tokens.to_string();
        for part in [
            tokens(
                quote! { .with("write_all", 7u32, (0..8u32, 1..params.most).prop_map(|(via, value): (u32, u64)| Op::WriteAll { via, value })).fields(&["via", "value", "version", "reason"]) },
            ),
            tokens(quote! { .with("audit", 0u32, Just(Op::Audit)).fields(&["reason"]) }),
            tokens(quote! { .with("whole", 1u32, drawn(params)).fields(&["a", "reason"]) }),
            tokens(quote! { params: &Params }),
        ] {
            assert!(expanded.contains(&part), "{part}\n{expanded}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (variant, says) in [
            (quote! { A }, "add #[operation(weight = 1)]"),
            (quote! { #[operation()] A }, "add `weight = 1`"),
            (quote! { #[operation(weight = "1")] A }, "integer"),
            (quote! { #[operation(weight = 1, wait = 2)] A }, "an operation has"),
            (quote! { #[operation(weight = 1)] A { n: u32 } }, "add #[strategy(..)]"),
            (quote! { #[operation(weight = 1)] A { #[strategy()] n: u32 } }, "expression"),
            (
                quote! { #[operation(weight = 1, strategy = s())] A { #[strategy(0..1)] n: u32 } },
                "as a whole",
            ),
            (quote! { #[operation(weight = 1, returns(n))] A { #[strategy(0..1)] n: u32 } }, "already"),
            (quote! { #[operation(weight = 1)] A(u32) }, "names"),
        ] {
            let told = error(&parse_quote! { #[serde(rename_all = "snake_case")] enum Op { #variant } });
            assert!(told.contains(says), "{told}");
        }
        let fields = (0..13).map(|n| quote::format_ident!("f{n}"));
        let many: DeriveInput = parse_quote! {
            #[serde(rename_all = "snake_case")] enum Op { #[operation(weight = 1)] A { #(#[strategy(0..1u8)] #fields: u8),* } }
        };
        assert!(error(&many).contains("12 fields"));
        let wrong: DeriveInput = parse_quote! { #[serde(rename_all = "snake_case")] #[operations(of = P)] enum Op { #[operation(weight = 1)] A } };
        assert!(error(&wrong).contains("params = TYPE"));
    }
}
