// Applies the chosen colours before the first paint; without a choice the style sheet follows the system.
const chosenTheme = localStorage.getItem('bothy-theme');
if (chosenTheme === 'light' || chosenTheme === 'dark') document.documentElement.dataset.theme = chosenTheme;
