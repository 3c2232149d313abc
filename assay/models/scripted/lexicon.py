"""The words by which a prompt's text is understood: plain English, nothing of any shop.

Patterns match lower-case text with straight quotes and single spaces.
"""

import re


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in alternatives))


_SOURCE = (
    r"(?:sources?|articles?|pages?|documents?|docs?|documentation|results?|hits?|tools?|records?"
    r"|knowledge[ -]bases?|kbs?|topics?|angles?|possibilit\w+|options?|entr(?:y|ies)|searche?s?"
    r"|quer(?:y|ies)|sections?|facts?|claims?|statements?|details?|leads?|avenues?|places?|guides?"
    r"|references|evidence|material|information|calls?|variants?|keywords?|terms|phrasings?)"
)
_FEW_WORDS = r"(?:[\w'-]+ ){0,4}?"
_LOOK = r"(?:search|look|read|dig|check|research|brows|explor|investigat|go|prob|quer)(?:e?s|ing)?"
_NUMBER = (
    r"(?:[3-9]|\d\d+|three|four|five|six|seven|eight|nine|ten|twelve|a dozen|several|multiple)"
)

BREADTH = _any(
    r"\bexhaust\w*",
    r"\bthorough\w*",
    r"\bcomprehensiv\w*",
    r"\bmeticulous\w*",
    r"\bpainstaking\w*",
    r"\brigorous\w*",
    r"\bextensive\w*",
    r"\bdiligent\w*",
    r"\bin[ -]depth\b",
    r"\bscour\w*",
    r"\bcomb(?:ing)? through\b",
    r"\b(?:deep|deeper|deeply|deepest) (?:dive|research|search|dig|into)\w*",
    r"\b(?:search|research|dig|look|investigate|explore|go)\w* (?:as )?(?:deep|deeper|deeply)\b",
    r"\bdig(?:ging)?\b",
    r"\b(?:search|look|explor|investigat|research|check)\w* (?:\w+ ){0,3}?"
    r"(?:fully|broadly|widely|everywhere|completely|carefully and repeatedly|far and wide)\b",
    r"\bno stone\b",
    r"\b(?:search|look|read|dig|research|check|try) (?:\w+ )?(?:further|harder|again and again)\b",
    r"\bin (?:its|their) entirety\b",
    r"\bevery (?:last|single|possible|available|relevant)\b",
    r"\bwide net\b",
    r"\bspare no\b",
    r"\b(?:everything|anything) (?:\w+ ){0,2}?(?:there is|available|relevant|related|you can find)",
    rf"\b{_LOOK} (?:\w+ )?everything\b",
    r"\bas (?:many|much|long|widely|broadly|deeply|completely) (?:[\w'-]+ ){0,5}?as\b",
    r"\bcross[ -]?(?:check|referenc|verif|validat|examin)\w*",
    r"\b(?:double|triple)[ -]?check\w*",
    r"\bcorroborat\w*",
    r"\b(?:verif|confirm|validat|check)\w* (?:each|every|all|twice|everything|repeatedly)\b",
    r"\b(?:keep|continue|carry on|go on|persist in) (?:on )?"
    r"(?:search|look|dig|read|check|query|explor|investigat|go)ing\b",
    r"(?:\bnot|\bnever|n't) (?:ever )?(?:stop|give up|quit|cease|skip|overlook|omit|leave out)\b",
    r"(?:\bnot|\bnever|n't|\brefuse to) (?:[\w']+ ){0,2}?(?:settle|rely|stop|content|satisfied"
    r"|limit|restrict)\w* (?:[\w']+ ){0,5}?(?:one|single|first)\b",
    r"\b(?:one|single|first) (?:[\w']+ ){0,4}?(?:is|are) (?:never|not|rarely) (?:[\w']+ )?enough\b",
    rf"\b{_LOOK} (?:[\w']+ ){{0,5}}?(?:until|till)\b",
    rf"\b(?:at least|minimum of|no fewer than|no less than) {_NUMBER}\b",
    rf"\b{_NUMBER} or more\b",
    r"\bmore than (?:once|one)\b",
    r"\b(?:maxim(?:um|al)|utmost|greatest|highest|extreme|full|great|exceptional|complete|total"
    r"|broad(?:est)?|wid(?:e|est)) (?:\w+ ){0,2}?(?:effort|care|detail|coverage|completeness|depth"
    r"|diligence|scrutiny|extent|picture|breadth|recall|thoroughness)\b",
    r"\bmaximi[sz]\w* (?:\w+ )?(?:coverage|recall|completeness|evidence|depth|breadth)\b",
    r"\bcompleteness\b",
    r"\b(?:be|being|is|are) (?:as |very |fully |absolutely )?complete\b",
    r"\bcomplete (?:answers?|research|search\w*|review|survey|investigation)\b",
    r"\b(?:miss|overlook|skip|omit) nothing\b",
    r"\bnothing (?:\w+ ){0,2}?(?:missed|overlooked|left|unread|unchecked|skipped)\b",
    r"\bno (?:\w+ ){0,2}?(?:unread|unchecked|unturned|unopened|unexplored)\b",
    r"\bregardless of (?:cost|effort|time|how)\b",
    r"\bno matter how\b",
    r"\bwithout exception\b",
    rf"\b(?:multiple|several|many|numerous|various|different|additional|further|more|other|second"
    rf"|third|independent|two or three) (?:[\w'-]+ ){{0,2}}?{_SOURCE}\b",
)
"""Asks for more searching than the question needs."""

EVERY_SOURCE = re.compile(
    rf"\b(?:all|every|each|entire|whole|full|complete|any and all) (?:of )?{_FEW_WORDS}{_SOURCE}\b"
)
"""Asks for every source: to be read, unless the sentence only says to cite them."""

GAP = _any(
    r"\b(?:missing|absent|lacking|lacks?|empty|unavailable|incomplete|insufficient|inconclusive"
    r"|unsuccessful|blank|unanswered|unresolved|unsure|unclear|uncertain|failed|fails?|failing"
    r"|failures?|errors?|errored|absence|nothing|none|zero|gaps?|broken|dead ends?"
    r"|comes? up short|no longer)\b",
    r"^ (?:\w+ ){0,2}?(?:needed|necessary|required)\b",
    r"\bno (?:\w+ ){0,3}?(?:results?|hits?|match\w*|answers?|articles?|records?|data|information"
    r"|luck|sources?|evidence)\b",
    r"(?:\bnot|n't|\bcannot|\bnever|\bneither|\bwithout) (?:[\w']+ ){0,4}?(?:answer|enough|suffic"
    r"|complete|found|find|cover|help|clear|settle|contain|return|exist|available|match|sure|know|there"
    r"|work|succeed|resolve|give|provide|turn up|present|yield)\w*",
)
"""Says that something looked for is not there."""

ENOUGH = _any(
    r"\b(?:answers?|answered|enough|sufficient|suffices?|complete|clear|found|finds?|settles?"
    r"|covers?|satisf\w+|conclusive|present|available|returned|returns?|succeeds?|hits?)\b",
)
"""Says that what was looked for is there."""

CONDITION = re.compile(
    r"\b(?P<only>only |solely |exclusively |just )?(?P<word>if|when|whenever|where|wherever|unless"
    r"|once|should|in case|as soon as|provided|in the event|for lack|in the absence|cases? of"
    r"|after|upon|on|following|for|as long as|because of|in response to|faced with)\b"
)
"""Opens a condition; prepositions count only when a gap follows in the same clause."""

CONDITIONS_OF_LACK = frozenset({"for lack", "in the absence"})

ONLY = re.compile(
    r"\b(?:only|solely|exclusively|reserve[ds]?|limit(?:ed)?|unless|restrict(?:ed)?)\b"
)
"""Confines the rest of the sentence to its condition."""

GAP_FIRST = re.compile(
    r"^(?:[\w']+ ){0,3}?(?:missing|empty|failed|absent|incomplete|unsuccessful|inconclusive)"
    r" (?:[\w']+ ){0,3}?(?:results?|search\w*|tools?|look-?ups?|calls?|answers?|hits?|responses?)\b"
)
"""A sentence about a missing result: `A missing tool result calls for ...`."""

BACKWARD = re.compile(
    r"^(?:and |but |only |so )?(?:in (?:that|this|such|those|these) (?:an? )?(?:case|event"
    r"|situation)s?|only then|then|if so|when (?:that|this) happens|otherwise|else|in which case)\b"
)
"""Opens a sentence that stands under the condition of the one before it."""

NEGATION = re.compile(
    r"\b(?:not|never|cannot|without|avoid\w*|refrain\w*|rather than|instead of|neither|nor"
    r"|no need|skip\w*|omit\w*|no reason|no point|unnecessar\w+|stop"
    r"|no(?! matter\b| stone\b| \w+ un))\b|n't\b"
)
NEGATION_AFTER = re.compile(
    r"^ ?(?:[\w']+ ){0,3}?(?:(?:not|never|no longer|[a-z]+n't) (?:[\w']+ ){0,2}?(?:wanted|required"
    r"|needed|necessary|desired|expected|called for|allowed|welcome)"
    r"|unwanted|unnecessary|forbidden|wasteful|a waste|to be avoided)\b"
)
"""Says of the words before it that they are not wanted."""

REVERSAL = re.compile(
    r"\b(?:until|till|before|unless|without|stop\w*|settl\w+|skip\w*|leav\w+|miss\w*|overlook\w*"
    r"|omit\w*|forget\w*|fail\w*|hesitat\w+|give up|quit|rely\w*|content|satisfied|less than|shy"
    r"|limit\w*|restrict\w*|neglect\w*|ignor\w+|just|only|merely|simply|short of|tire)\b"
)
"""Turns a negation before it round: `never stop before ...`."""

LOOKING = re.compile(
    r"\b(?:search|look|read|check|consult|review|examin|verif|explor|open|quer|go through|scan"
    r"|inspect|investigat|us|try|tri|gather|collect|cover|find|compar|confirm|visit|brows|study"
    r"|studi|work through|run|tak|exploit|answer us)(?:e|es|ed|s|ing|y|ies)?\b"
)
CITING = re.compile(
    r"\b(?:cit(?:e|es|ed|ing|ations?)|quot(?:e|es|ed|ing|ations?)|referenc(?:e|es|ed|ing)"
    r"|attribut\w+|footnotes?"
    r"|(?:name|mention|give|list|state|link|include|show|provide|add)\w* (?:to )?(?:\w+ ){0,2}?"
    r"(?:sources?|articles?|pages?|links?|ids?))\b"
)
CLARIFYING = re.compile(
    r"\bclarif\w+|\bask (?:[\w']+ ){0,6}?(?:question|back|again|for|which|what|to confirm|more)\b"
    r"|\bfollow-?up questions?\b|\brequest (?:[\w']+ ){0,3}?(?:details?|information)\b"
)
BRIEF = _any(
    r"\b(?:brief|briefly|brevity|concise\w*|short|shortly|succinct\w*|terse\w*|laconic\w*)\b",
    r"\b(?:one|a single|two|1|2) (?:\w+ )?sentences?\b",
    r"\b(?:few|fewer|fewest) (?:\w+ )?(?:words|sentences|lines)\b",
    r"\bto the point\b",
)
DETAILED = _any(r"\bin (?:full |great |more )?detail\b", r"\b(?:detailed|elaborat\w+|long)\b")
FRUGAL = _any(
    r"\bfirst (?:good|relevant|matching|suitable|useful) (?:hit|result|article|match|page)\b",
    r"\bas few (?:[\w'-]+ ){0,4}?as\b",
    r"\b(?:only|just|exactly|at most|no more than|up to|maximum of|max) (?:one|a single|1|two|2)"
    r" (?:[\w'-]+ ){0,2}?(?:search\w*|calls?|articles?|tools?|pages?|look-?ups?|quer\w+)\b",
    r"\bminimi[sz]\w* (?:[\w'-]+ ){0,3}?(?:searche?s|calls?|tools?|tokens?|cost|effort)\b",
    r"\b(?:sparing|frugal|economical)\w*\b",
)
"""Asks for fewer calls than usual."""
