export const byId = (id) => document.getElementById(id);

export function number(value, decimals) {
  return value.toLocaleString("es-PE", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function percent(share) {
  return `${number(share * 100, 0)} %`;
}

export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
