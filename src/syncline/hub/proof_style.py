"""How the page of a proof report looks: light and dark, narrow screens, A4 paper. No address, no script."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--paper:#f7f7f4;--card:#fff;--ink:#1b1f1d;--soft:#5c635f;--line:#e3e4de;--track:#eaebe6;
--good:#1a7a4c;--good-wash:#e7f4ec;--wait:#8a5b00;--wait-wash:#fbf1dc;--bad:#b3261e;--bad-wash:#fcebe9;--none:#5c635f;
--none-wash:#eeefeb;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{--paper:#121413;--card:#1a1d1b;--ink:#eceeeb;--soft:#a0a8a3;--line:#2c302e;
--track:#2a2e2c;--good:#6bd49b;--good-wash:#15291f;--wait:#eebb55;--wait-wash:#2d2413;--bad:#ff9389;--bad-wash:#351b19;
--none:#a0a8a3;--none-wash:#242826}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1,h2,h3,p,dl,dd,ul,ol{margin:0}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em;font-weight:650;text-wrap:balance}
h2{font-size:1.15rem;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h3{font-size:.8rem;font-weight:600;color:var(--soft);margin:1.4rem 0 .5rem}
.top{display:flex;justify-content:space-between;gap:.25rem 1.5rem;flex-wrap:wrap;color:var(--soft);font-size:.875rem;
margin-bottom:1.5rem}
.top b{color:var(--ink);font-weight:600;overflow-wrap:anywhere}
.hero{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1.25rem;align-items:start;border-radius:14px;padding:1.75rem;
background:var(--wash);margin-bottom:1.25rem}
.mark{width:2.75rem;height:2.75rem;border-radius:50%;background:var(--tone);color:var(--card);display:grid;
place-items:center;font-size:1.5rem;font-weight:700;line-height:1}
.hero h1{color:var(--tone)}
.hero p{margin-top:.5rem;max-width:44rem}
.hero .when{color:var(--soft);font-size:.875rem}
.good{--tone:var(--good);--wash:var(--good-wash)}.wait{--tone:var(--wait);--wash:var(--wait-wash)}
.bad{--tone:var(--bad);--wash:var(--bad-wash)}.none{--tone:var(--none);--wash:var(--none-wash)}
.facts{display:grid;grid-template-columns:repeat(5,1fr);gap:1px;background:var(--line);
border:1px solid var(--line);border-radius:14px;overflow:hidden;margin-bottom:2.25rem}
.facts div{background:var(--card);padding:.85rem 1.1rem}
.facts dt,.pairs dt{color:var(--soft);font-size:.8rem}
.facts dd{font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.5rem;margin-bottom:1.25rem}
.head{display:flex;justify-content:space-between;align-items:flex-start;gap:1rem}.head h2{min-width:0}
.chip{display:inline-block;padding:.1rem .6rem;border-radius:99px;background:var(--wash);color:var(--tone);
font-size:.8rem;font-weight:600;white-space:nowrap}
.lead,.soft{color:var(--soft)}.lead{margin-top:.25rem}
table{width:100%;border-collapse:collapse;margin-top:1rem;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:500;font-size:.8rem;color:var(--soft);padding:0 1rem .4rem 0;white-space:nowrap}
td{border-top:1px solid var(--line);padding:.65rem 1rem .65rem 0;vertical-align:top}
@media (min-width:641px){.matrix{table-layout:fixed}.matrix th:nth-child(1){width:16%}.matrix th:nth-child(2){width:36%}
.matrix th:nth-child(3){width:16%}.matrix th:nth-child(4){width:17%}}
th:last-child,td:last-child{padding-right:0}
th.number,td.number{text-align:right;white-space:nowrap}
td b{font-weight:600;overflow-wrap:anywhere}
td small{display:block;margin-top:.25rem;color:var(--soft);font-size:.8rem;line-height:1.4;overflow-wrap:anywhere}
.bar{display:block;height:.5rem;border-radius:99px;background:var(--track);overflow:hidden;min-width:7rem;margin-top:.45rem}
.bar i{display:block;height:100%;border-radius:99px;background:var(--tone)}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.9rem 1.5rem;margin-top:1.1rem;
padding-top:1.1rem;border-top:1px solid var(--line)}
.pairs dd{overflow-wrap:anywhere}.pairs .wide{grid-column:span 2}.pairs dd b{color:var(--tone);font-weight:600}
.case{border-left:3px solid var(--tone);padding:.1rem 0 .1rem 1rem;margin-top:.75rem}
.case p+p{margin-top:.35rem}
ul,ol{padding-left:1.15rem}li{margin-top:.35rem}
code,.mono{font-family:var(--mono);font-size:.82rem;overflow-wrap:anywhere}
.seal dd{margin-bottom:.8rem}.seal dt{color:var(--soft);font-size:.8rem}.seal{margin-top:1rem}
pre{margin:.75rem 0 0;padding:.75rem 1rem;border-radius:10px;background:var(--paper);white-space:pre-wrap;
overflow-wrap:anywhere;font-family:var(--mono);font-size:.82rem}
@media (max-width:640px){main{padding:1.25rem 1rem 3rem}h1{font-size:1.55rem}.hero{grid-template-columns:1fr;padding:1.25rem}
section{padding:1.1rem}thead{display:none}tr{display:block;border-top:1px solid var(--line);padding:.7rem 0}
td,td.number{display:grid;grid-template-columns:7rem 1fr;gap:.75rem;border:0;padding:.15rem 0;text-align:left;
white-space:normal}
td::before{content:attr(data-label);color:var(--soft);font-size:.8rem}
td:first-child{display:block;font-size:1.05rem;padding-bottom:.4rem}td:first-child::before{content:none}table{border-bottom:0}
.facts{grid-template-columns:1fr 1fr}.facts div:last-child{grid-column:span 2}.pairs .wide{grid-column:auto}}
@page{size:A4;margin:14mm}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--track:#e5e5e5;--good:#12643c;
--good-wash:#eaf5ee;--wait:#7a4f00;--wait-wash:#faf1df;--bad:#9d1c15;--bad-wash:#fbeae8;--none:#444;--none-wash:#eee}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}body{font-size:10.5pt}main{max-width:none;padding:0}
.hero,.facts,.case,tr,dl.seal div{break-inside:avoid}h2,h3,.head{break-after:avoid}section{padding:.9rem 1.1rem}
.facts div{padding:.6rem .8rem}.facts dd{font-size:1.05rem}.hero{padding:1.25rem}}
"""
